//! Host names to addresses. Envoy rejects names in EDS ("malformed IP address"), so the server resolves and follows
//! them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
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
const MIN_TTL: Duration = Duration::from_secs(5);
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
            .map_err(|error| {
                // The resolver's own words for it show its whole query.
                failed(if error.is_no_records_found() {
                    "no such name".to_owned()
                } else {
                    error.to_string()
                })
            })?;
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

/// What became of looking several names up.
#[derive(Debug)]
pub struct Lookup {
    /// Of those that resolve.
    pub addresses: Addresses,
    /// How long all answers may be used.
    pub valid_for: Duration,
    /// Those that don't.
    pub failures: Vec<ResolveError>,
}

async fn look_up(resolver: &dyn Resolve, host: String) -> (String, Result<Resolved, ResolveError>) {
    let answer = resolver.resolve(&host).await;
    (host, answer)
}

/// Looks all names up at once.
pub async fn resolve_all(resolver: &dyn Resolve, hosts: BTreeSet<String>) -> Lookup {
    let lookups: Vec<_> = hosts
        .into_iter()
        .map(|host| look_up(resolver, host))
        .collect();
    let answers: Vec<_> = stream::iter(lookups)
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let mut lookup = Lookup {
        addresses: Addresses::new(),
        valid_for: MAX_TTL,
        failures: Vec::new(),
    };
    for (host, answer) in answers {
        match answer {
            Ok(resolved) => {
                lookup.valid_for = lookup.valid_for.min(resolved.valid_for);
                lookup.addresses.insert(host, resolved.addresses);
            }
            Err(error) => {
                lookup.valid_for = MIN_TTL;
                lookup.failures.push(error);
            }
        }
    }
    lookup.valid_for = lookup.valid_for.clamp(MIN_TTL, MAX_TTL);
    lookup
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

    /// Knows `a` only.
    struct OnlyA;

    #[async_trait]
    impl Resolve for OnlyA {
        async fn resolve(&self, host: &str) -> Result<Resolved, ResolveError> {
            match host {
                "a" => Ok(Resolved {
                    addresses: vec![[10, 0, 0, 1].into()],
                    valid_for: Duration::ZERO,
                }),
                _ => Err(ResolveError {
                    host: host.to_owned(),
                    detail: "unknown".to_owned(),
                }),
            }
        }
    }

    #[tokio::test]
    async fn what_resolves_is_found_beside_what_does_not() {
        let hosts = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let lookup = resolve_all(&OnlyA, hosts).await;
        assert_eq!(lookup.addresses.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(lookup.failures.len(), 1);
        assert_eq!(lookup.failures[0].host, "b");
        assert_eq!(lookup.valid_for, MIN_TTL);
    }
}
