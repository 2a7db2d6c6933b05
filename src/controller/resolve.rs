//! Host names to addresses. Envoy rejects names in EDS ("malformed IP address"), so the server resolves and follows
//! them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};

/// No name is asked for again sooner: a TTL of 0 must not become a busy loop against the name server.
pub const MIN_TTL: Duration = Duration::from_secs(5);
/// No answer is believed longer: /etc/hosts says "for ever", and a moved service should be found within a minute.
pub const MAX_TTL: Duration = Duration::from_secs(60);
/// A command waits no longer than this for a name: a person sits in front of it.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// So many names are asked for at once: a name server's default socket buffer takes that in one burst.
const CONCURRENCY: usize = 32;

/// What a name stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Sorted, without repeats: the order in which a name server lists them means nothing.
    pub addresses: Vec<IpAddr>,
    /// How long the answer may be used.
    pub valid_for: Duration,
}

/// A name that could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error(
    "the host name {host:?} of an endpoint does not resolve from the server ({detail}): correct it, or write an IP address"
)]
pub struct ResolveError {
    /// The name.
    pub host: String,
    /// What the resolver said.
    pub detail: String,
}

/// Finds the addresses of host names.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Looks one name up; an answer without addresses is an error.
    async fn resolve(&self, host: &str) -> Result<Resolved, ResolveError>;
}

/// The resolver of this machine: `/etc/resolv.conf` and `/etc/hosts`.
pub struct SystemResolver {
    inner: TokioResolver,
}

impl SystemResolver {
    /// Reads the system's configuration. Without a usable one only `/etc/hosts` and `localhost` resolve.
    pub fn new() -> Result<Self, NetError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "no usable resolver configuration: only names of /etc/hosts resolve");
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
                TokioRuntimeProvider::default(),
            )
        });
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Always;
        // An endpoint is one place: with both families a server that listens on one only would be counted twice.
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        Ok(Self {
            inner: builder.build()?,
        })
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> Result<Resolved, ResolveError> {
        let failed = |detail: String| ResolveError {
            host: host.to_owned(),
            detail,
        };
        let answer = tokio::time::timeout(LOOKUP_TIMEOUT, self.inner.lookup_ip(host))
            .await
            .map_err(|_| failed(format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        let addresses: BTreeSet<IpAddr> = answer.iter().collect();
        if addresses.is_empty() {
            return Err(failed("it has no address".to_owned()));
        }
        let valid_for = answer
            .valid_until()
            .saturating_duration_since(std::time::Instant::now());
        Ok(Resolved {
            addresses: addresses.into_iter().collect(),
            valid_for: valid_for.clamp(MIN_TTL, MAX_TTL),
        })
    }
}

/// Addresses by host name.
pub type Addresses = BTreeMap<String, Vec<IpAddr>>;

/// Resolves names, and remembers the last good answer for each.
pub struct Names {
    resolver: Box<dyn Resolve>,
    last_good: Mutex<Addresses>,
}

impl Names {
    /// Nothing is known yet.
    pub fn new(resolver: Box<dyn Resolve>) -> Self {
        Self {
            resolver,
            last_good: Mutex::default(),
        }
    }

    /// Resolves every name of `fresh`, or fails with the first that does not resolve; names of `known` that don't
    /// resolve any more have their last good addresses, or are left out.
    pub async fn resolve(
        &self,
        fresh: &BTreeSet<String>,
        known: &BTreeSet<String>,
    ) -> Result<Addresses, ResolveError> {
        let (mut addresses, _, failures) = self.follow(&(fresh | known)).await;
        for failure in failures {
            if fresh.contains(&failure.host) {
                return Err(failure);
            }
            if let Some(kept) = self.last_good(&failure.host) {
                addresses.insert(failure.host, kept);
            }
        }
        Ok(addresses)
    }

    /// Resolves what resolves; says how long the shortest-lived answer may be used, and what failed.
    pub async fn follow(
        &self,
        hosts: &BTreeSet<String>,
    ) -> (Addresses, Duration, Vec<ResolveError>) {
        let answers: Vec<_> = stream::iter(hosts.iter().cloned())
            .map(|host| async move {
                let answer = self.resolver.resolve(&host).await;
                (host, answer)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let mut found = Addresses::new();
        let mut valid_for = MAX_TTL;
        let mut failures = Vec::new();
        for (host, answer) in answers {
            match answer {
                Ok(resolved) => {
                    valid_for = valid_for.min(resolved.valid_for);
                    found.insert(host, resolved.addresses);
                }
                Err(error) => {
                    valid_for = MIN_TTL;
                    failures.push(error);
                }
            }
        }
        self.lock().extend(found.clone());
        (found, valid_for, failures)
    }

    fn last_good(&self, host: &str) -> Option<Vec<IpAddr>> {
        self.lock().get(host).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Addresses> {
        // A map of finished answers is whole whatever happened to a thread that held it.
        self.last_good
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_resolves_without_a_name_server() {
        let resolver = SystemResolver::new().unwrap();
        let resolved = resolver.resolve("localhost").await.unwrap();
        assert!(resolved.addresses.iter().all(IpAddr::is_loopback));
        assert!(!resolved.addresses.is_empty());
        assert!((MIN_TTL..=MAX_TTL).contains(&resolved.valid_for));
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_named_in_the_error() {
        let resolver = SystemResolver::new().unwrap();
        let error = resolver.resolve("no-such-host.invalid").await.unwrap_err();
        assert!(error.to_string().contains("\"no-such-host.invalid\""));
    }

    /// Answers once for every name, and never again.
    #[derive(Default)]
    struct Once(Mutex<BTreeSet<String>>);

    #[async_trait]
    impl Resolve for Once {
        async fn resolve(&self, host: &str) -> Result<Resolved, ResolveError> {
            if self.0.lock().unwrap().insert(host.to_owned()) {
                return Ok(Resolved {
                    addresses: vec![[10, 0, 0, 1].into()],
                    valid_for: MAX_TTL,
                });
            }
            Err(ResolveError {
                host: host.to_owned(),
                detail: "gone".to_owned(),
            })
        }
    }

    #[tokio::test]
    async fn last_good_addresses_are_kept_for_names_in_force_and_not_for_new_ones() {
        let names = Names::new(Box::new(Once::default()));
        let hosts = BTreeSet::from(["a".to_owned()]);
        let none = BTreeSet::new();
        let first = names.resolve(&hosts, &none).await.unwrap();
        let second = names.resolve(&none, &hosts).await.unwrap();
        assert_eq!(first, second);
        assert_eq!(names.resolve(&hosts, &none).await.unwrap_err().host, "a");
    }
}
