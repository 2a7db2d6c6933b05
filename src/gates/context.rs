//! What a check is given: the two versions, the ways to reach them, and the world as far as it may see it.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::{client::Client, outside::look_up};
use crate::{
    model::{
        Colour, Name, Protocol,
        check::{CheckSpec, Decision, Phase, Scheme, TemplateError, Through, render},
    },
    telemetry::{Load, Telemetry},
};

/// The time of day; injected, so that tests can set it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One of the two versions that a release is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The environment that it is in.
    pub colour: Colour,
    /// The user's label.
    pub version: String,
    /// The name of its cluster in the proxies, `SERVICE/COLOUR`.
    pub cluster: String,
    /// Where it runs, names resolved.
    pub endpoints: Vec<SocketAddr>,
    /// Its cluster as the proxies have it, in proto3 JSON, for `parity`.
    pub settings: Option<Value>,
    /// Since when it is in its environment, by the time that load reports are stamped with: what the cluster did before was
    /// another version's. None: it is not known.
    pub since: Option<Timestamp>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The version that the release is about: staged before the switch, live after it.
    Candidate,
    /// The version that it replaces: live before the switch, standby after it.
    Baseline,
}

/// What is released.
#[derive(Clone, Debug)]
pub struct Target {
    /// The fleet.
    pub fleet: Name,
    /// The service.
    pub service: Name,
    /// What the endpoints speak.
    pub protocol: Protocol,
    /// The host under which users ask for the service, if it has an exact one.
    pub host: Option<String>,
    /// The version that the release is about.
    pub candidate: Side,
    /// The version that it replaces; None for a first release.
    pub baseline: Option<Side>,
    /// Where proxies listen for the service: where each was last seen, at the port of the service's listener.
    pub proxies: Vec<SocketAddr>,
    /// The same of those that have no preview route, and answer with the live version whatever header is sent.
    pub astray: Vec<SocketAddr>,
    /// The step of the canary that is watched, from 1.
    pub step: Option<usize>,
    /// The header by which a request through a proxy reaches the candidate whatever the weights are.
    pub preview: Option<(HeaderName, HeaderValue)>,
}

impl Target {
    /// One of the two versions.
    pub fn side(&self, which: Which) -> Option<&Side> {
        match which {
            Which::Candidate => Some(&self.candidate),
            Which::Baseline => self.baseline.as_ref(),
        }
    }
}

/// All that a check is given. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// What is released.
    pub target: Arc<Target>,
    /// Makes requests, to the versions and to other systems.
    pub client: Client,
    /// What the proxies of the fleet report.
    pub telemetry: Arc<Telemetry>,
    /// What people have said to `manual` checks of this release so far; the newest value counts.
    pub decisions: watch::Receiver<Vec<Decision>>,
    /// The folder of check data, if the server has one.
    pub files: Option<Arc<PathBuf>>,
    /// The time of day, for stamps only: waiting goes by the monotonic clock.
    pub clock: Clock,
}

/// One address at which a version is reached, and what a request there must carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Door {
    /// The endpoint, or the proxy's listener.
    pub address: SocketAddr,
    /// The host to ask for, where it is not the address.
    pub host: Option<String>,
    /// The preview header, if it leads there.
    pub header: Option<(HeaderName, HeaderValue)>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// With or without TLS.
    pub scheme: Scheme,
}

/// Why a version can't be reached at all.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoDoor {
    /// It has no endpoints.
    #[error("{version} has no endpoints")]
    Endpoints {
        /// The version.
        version: String,
    },
    /// There is no other version.
    #[error("there is no live version to compare with")]
    Baseline,
    /// No proxy is known.
    #[error(
        "no proxy is known that has the route to it and where {service} could be asked: wait until one accepts it (`bluegreen fleet` shows them), or write proxyAddresses"
    )]
    Proxies {
        /// The service.
        service: Name,
    },
    /// An address of a proxy can't be used.
    #[error("proxy {0} has no address: {1}")]
    Resolve(String, String),
    /// The preview route is not there.
    #[error("there is no preview route: through: proxies can't reach a version without traffic")]
    Preview,
}

impl NoDoor {
    /// What it means for a check that needs the version: a fault of the version, or of what it is reached by.
    pub fn phase(&self) -> Phase {
        match self {
            NoDoor::Endpoints { .. } => Phase::Failed,
            _ => Phase::Error,
        }
    }
}

impl Context {
    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The variables of templates.
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        let target = &self.target;
        let side = |which: Option<&Side>| match which {
            Some(side) => [
                side.version.clone(),
                side.colour.to_string(),
                side.cluster.clone(),
            ],
            None => Default::default(),
        };
        let [version, colour, cluster] = side(Some(&target.candidate));
        let [old_version, old_colour, old_cluster] = side(target.baseline.as_ref());
        BTreeMap::from([
            ("service", target.service.to_string()),
            ("fleet", target.fleet.to_string()),
            ("version", version),
            ("colour", colour),
            ("cluster", cluster),
            ("baseline.version", old_version),
            ("baseline.colour", old_colour),
            ("baseline.cluster", old_cluster),
        ])
    }

    /// What the proxies reported of one of the versions over a window that ends now, and nothing of another version that was
    /// in the same environment before. None: no report.
    pub fn reported(&self, side: &Side, window: Duration) -> Option<Load> {
        // Before the year -9999 there were no reports either.
        let now = self.telemetry.now();
        let from = now.checked_sub(window).unwrap_or(Timestamp::MIN);
        let from = side.since.map_or(from, |since| from.max(since));
        self.telemetry.cluster(&side.cluster, Some(from))
    }

    /// A text with its templates filled in.
    ///
    /// # Errors
    /// If it names an unknown variable; validation of the document refuses that.
    pub fn render(&self, text: &str) -> Result<String, TemplateError> {
        render(text, &self.variables())
    }

    /// The headers of a request to another system than the version, their templates filled in.
    ///
    /// # Errors
    /// If one of them can't be a header.
    pub fn headers(&self, written: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, text) in written {
            let value = self.render(text).map_err(|error| error.to_string())?;
            let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) else {
                return Err(format!("{name} can't be a header"));
            };
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// Where one of the versions is reached, as the check wants it. Never empty.
    ///
    /// # Errors
    /// If it can't be reached that way.
    pub async fn doors(&self, check: &CheckSpec, which: Which) -> Result<Vec<Door>, NoDoor> {
        let target = &self.target;
        let side = target.side(which).ok_or(NoDoor::Baseline)?;
        let scheme = check.scheme();
        if check.through == Through::Direct {
            if side.endpoints.is_empty() {
                return Err(NoDoor::Endpoints {
                    version: side.version.clone(),
                });
            }
            let door = |address: &SocketAddr| Door {
                address: *address,
                host: None,
                header: None,
                protocol: target.protocol,
                scheme,
            };
            return Ok(side.endpoints.iter().map(door).collect());
        }
        let header = match which {
            Which::Candidate => Some(target.preview.clone().ok_or(NoDoor::Preview)?),
            // Without the header the weights decide, and before the switch they say live.
            Which::Baseline => None,
        };
        let mut addresses = target.proxies.clone();
        if !check.proxy_addresses.is_empty() {
            addresses.clear();
            for proxy in &check.proxy_addresses {
                let found = look_up(proxy.host.clone(), proxy.port).await;
                let mut found =
                    found.map_err(|error| NoDoor::Resolve(proxy.to_string(), error.to_string()))?;
                addresses.extend(found.next());
            }
            addresses.retain(|address| !target.astray.contains(address));
        }
        if addresses.is_empty() {
            return Err(NoDoor::Proxies {
                service: target.service.clone(),
            });
        }
        let door = |address: &SocketAddr| Door {
            address: *address,
            host: target.host.clone(),
            header: header.clone(),
            // Listeners find out what is spoken; only gRPC needs HTTP/2.
            protocol: match target.protocol {
                Protocol::Grpc => Protocol::Grpc,
                Protocol::Http1 | Protocol::Http2 => Protocol::Http1,
            },
            scheme,
        };
        Ok(addresses.iter().map(door).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gates::testkit::{aimed, context, spec};

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn preview() -> (HeaderName, HeaderValue) {
        let name = HeaderName::from_static("x-bluegreen-preview");
        (name, HeaderValue::from_static("green"))
    }

    #[tokio::test]
    async fn a_version_is_reached_at_its_endpoints() {
        let direct = spec(json!({ "name": "a", "http": {} }));
        let context = context(&[address(1), address(2)], &[address(3)]);
        for (which, expected) in [
            (Which::Candidate, vec![address(1), address(2)]),
            (Which::Baseline, vec![address(3)]),
        ] {
            let doors = context.doors(&direct, which).await.unwrap();
            let found: Vec<_> = doors.iter().map(|door| door.address).collect();
            assert_eq!(found, expected);
            assert!(doors.iter().all(|door| door.header.is_none()));
        }
        let first = aimed(context, |target| target.baseline = None);
        assert_eq!(
            first.doors(&direct, Which::Baseline).await,
            Err(NoDoor::Baseline)
        );
    }

    #[tokio::test]
    async fn through_proxies_the_candidate_is_reached_by_the_preview_header() {
        let through = json!({ "name": "a", "through": "proxies", "http": {} });
        let context = context(&[address(1)], &[address(2)]);
        let refused = context
            .doors(&spec(through.clone()), Which::Candidate)
            .await;
        assert_eq!(refused, Err(NoDoor::Preview));
        let context = aimed(context, |target| {
            target.host = Some("fraud.example".to_owned());
            target.preview = Some(preview());
        });
        let refused = context
            .doors(&spec(through.clone()), Which::Candidate)
            .await;
        assert!(matches!(refused, Err(NoDoor::Proxies { .. })));
        let context = aimed(context, |target| target.proxies = vec![address(10_000)]);
        let candidate = context
            .doors(&spec(through.clone()), Which::Candidate)
            .await
            .unwrap();
        assert_eq!(candidate[0].address, address(10_000));
        assert_eq!(candidate[0].header, Some(preview()));
        assert_eq!(candidate[0].host.as_deref(), Some("fraud.example"));
        let baseline = context
            .doors(&spec(through.clone()), Which::Baseline)
            .await
            .unwrap();
        assert_eq!(baseline[0].header, None);
        // Addresses that the check gives count instead.
        let mut given = through;
        given["proxyAddresses"] = json!(["127.0.0.1:10001"]);
        let doors = context.doors(&spec(given), Which::Candidate).await.unwrap();
        assert_eq!(doors[0].address, address(10_001));
    }

    #[tokio::test]
    async fn a_proxy_without_the_route_is_not_asked_where_a_check_gives_it_either() {
        let given = |ports: &[u16]| {
            let addresses: Vec<_> = ports
                .iter()
                .map(|port| address(*port).to_string())
                .collect();
            let check = json!({ "name": "a", "through": "proxies", "proxyAddresses": addresses, "http": {} });
            spec(check)
        };
        let context = aimed(context(&[address(1)], &[address(2)]), |target| {
            target.preview = Some(preview());
            target.astray = vec![address(10_000)];
        });
        let both = given(&[10_000, 10_001]);
        let doors = context.doors(&both, Which::Candidate).await.unwrap();
        let asked: Vec<_> = doors.iter().map(|door| door.address).collect();
        assert_eq!(asked, [address(10_001)]);
        let refused = context.doors(&given(&[10_000]), Which::Candidate).await;
        assert!(matches!(refused, Err(NoDoor::Proxies { .. })));
    }
}
