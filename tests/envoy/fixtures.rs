//! The service that the tests release: documents, backends, load.
//!
//! Every test here runs in either mode of ADS: state of the world, or with `BLUEGREEN_TEST_XDS_MODE=delta` delta. `make test`
//! does both.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::support::{
    backend::Backend,
    load::{Load, Plan, Protocol, Report, Shot},
    world::{Ran, World},
};

/// Two backends per environment; each answers with its colour.
pub struct Backends {
    pub blue: [Backend; 2],
    pub green: [Backend; 2],
}

impl Backends {
    pub async fn start() -> Self {
        Self {
            blue: [Backend::start("blue").await, Backend::start("blue").await],
            green: [Backend::start("green").await, Backend::start("green").await],
        }
    }
}

/// The endpoints as a YAML list.
pub fn endpoints(backends: &[Backend]) -> String {
    let list: Vec<String> = backends
        .iter()
        .map(|backend| format!("{:?}", backend.addr().to_string()))
        .collect();
    format!("[{}]", list.join(", "))
}

/// `kind: Service` on the shared listener; retries off. `more` are further lines of the spec.
pub fn service(
    name: &str,
    prefix: &str,
    listener: SocketAddr,
    backends: &Backends,
    more: &str,
) -> String {
    format!(
        "---
apiVersion: bluegreen/v1
kind: Service
metadata: {{ name: {name} }}
spec:
  fleet: payments
  listener: {{ address: {}, port: {} }}
  routes:
    - {{ match: {{ prefix: {prefix} }} }}
  environments:
    blue: {{ version: v1, endpoints: {} }}
    green: {{ version: v2, endpoints: {} }}
{more}",
        listener.ip(),
        listener.port(),
        endpoints(&backends.blue),
        endpoints(&backends.green),
    )
}

/// A load of that many requests a second; bounded at five minutes' worth.
pub fn load(target: SocketAddr, protocol: Protocol, rate: u32, shots: Vec<Shot>) -> Load {
    Load::start(Plan {
        target,
        protocol,
        shots,
        rate,
        connections: 16,
        timeout: Duration::from_secs(15),
        limit: rate as usize * 300,
    })
}

/// No request of that load failed, and there were some.
#[track_caller]
pub fn all_answered(report: &Report) {
    assert!(!report.samples.is_empty(), "no load was made");
    assert_eq!(report.failures(), Default::default());
}

/// Asserts that between two moments only `colour` answered requests that were sent then.
#[track_caller]
pub fn only(report: &Report, colour: &str, from: Instant, to: Instant) {
    let window =
        from.saturating_duration_since(report.origin)..to.saturating_duration_since(report.origin);
    let wrong = report
        .samples
        .iter()
        .filter(|sample| window.contains(&sample.sent))
        .find(|sample| sample.outcome.as_deref() != Ok(colour));
    assert!(
        wrong.is_none(),
        "{wrong:?} in {window:?}, expected {colour}"
    );
}

/// A switch or rollback that moved the traffic to `colour`, when its proof was complete.
pub struct Flip {
    pub colour: &'static str,
    pub ran: Ran,
}

impl Flip {
    /// Runs the command; every proxy of the fleet must have accepted.
    pub async fn run(world: &World, colour: &'static str, args: &[&str]) -> Self {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let ran = world.cli(&args).await.ok();
        let proxies = &ran.json()["proxies"];
        assert_eq!(proxies["acked"], world.envoys.len(), "{ran:?}");
        assert_eq!(proxies["total"], world.envoys.len(), "{ran:?}");
        Self { colour, ran }
    }
}

/// Checks every stretch between two flips: whatever was sent after a flip had returned and before the next began was
/// answered by the new colour.
#[track_caller]
pub fn proven(report: &Report, flips: &[Flip]) {
    for pair in flips.windows(2) {
        only(
            report,
            pair[0].colour,
            pair[0].ran.returned,
            pair[1].ran.started,
        );
    }
}

/// Envoy's own counters of trouble, summed over the fleet. A control plane that was away counts as nothing.
pub async fn no_trouble(world: &World) {
    for counter in [
        r"^cluster\..+/.+\.upstream_cx_connect_fail$",
        r"^cluster\..+/.+\.upstream_rq_5xx$",
        "downstream_rq_5xx$",
        "no_route$",
        "no_cluster$",
    ] {
        assert_eq!(world.counter(counter).await, 0, "{counter}");
    }
}
