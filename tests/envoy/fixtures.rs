//! The service that the tests release: documents, backends, load.
//!
//! Every test here runs in either mode of ADS: state of the world, or with `BLUEGREEN_TEST_XDS_MODE=delta` delta. `make test`
//! does both.

use std::{
    net::SocketAddr,
    str::FromStr,
    time::{Duration, Instant},
};

use tokio::net::TcpListener;

use crate::support::{
    backend::Backend,
    document,
    load::{Failure, Load, Plan, Protocol, Report, Sample, Shot},
    relay::Relay,
    waiting,
    world::{Ran, World},
};

/// So many Envoys carry the service, where a test does not say otherwise.
pub const PROXIES: usize = 2;

/// The number of clusters that an Envoy warms.
pub const WARMING: &str = "^cluster_manager.warming_clusters$";

/// Where a listener of the users' own has its routes from: the route configuration `edge`.
pub const RDS: &str = "rds: { route_config_name: edge, config_source: { ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s } }";

/// A number that whoever runs the tests may set.
pub fn set<T: FromStr>(variable: &str, default: T) -> T {
    let text = std::env::var(variable).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

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

fn addresses(backends: &[Backend]) -> Vec<SocketAddr> {
    backends.iter().map(Backend::addr).collect()
}

/// The endpoints as a YAML list.
pub fn endpoints(backends: &[Backend]) -> String {
    document::endpoints(&addresses(backends))
}

/// `spec.environments` of a service: v1 in blue, v2 in green.
pub fn environments(backends: &Backends) -> String {
    document::environments(&addresses(&backends.blue), &addresses(&backends.green))
}

/// `kind: Service` on the shared listener; retries off. `more` are further lines of the spec.
pub fn service(
    name: &str,
    prefix: &str,
    listener: SocketAddr,
    backends: &Backends,
    more: &str,
) -> String {
    let routes = format!("  routes: [ {{ match: {{ prefix: {prefix} }} }} ]\n");
    document::service(
        name,
        &[
            &document::listener(listener),
            &routes,
            &environments(backends),
            more,
        ],
    )
}

/// Something that only Envoy refuses, if its connect timeout is zero: a cluster of the users' own.
pub fn extra_cluster(connect_timeout: &str) -> String {
    let cluster = format!(
        "    - \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster
      name: extra
      type: STATIC
      connect_timeout: {connect_timeout}
"
    );
    document::resources("extra", &[&cluster])
}

/// A service at `/cold` that warms as long as its first health check lasts: its endpoint takes connections (the kernel
/// does) and never answers.
pub struct Cold {
    pub document: String,
    _hole: TcpListener,
}

impl Cold {
    /// `health_check` are the times of the check.
    pub async fn at(listener: SocketAddr, health_check: &str) -> Self {
        let hole = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = hole.local_addr().expect("an address");
        let settings = format!(
            "  routes: [ {{ match: {{ prefix: /cold }} }} ]
  cluster: {{ healthCheck: {{ path: /healthz, {health_check} }} }}
"
        );
        let document = document::service(
            "cold",
            &[
                &document::listener(listener),
                &settings,
                &document::environments(&[address], &[]),
            ],
        );
        Self {
            document,
            _hole: hole,
        }
    }

    /// Declares it, and waits until every Envoy warms it.
    pub async fn warms(&self, world: &World) {
        world.apply(&self.document, &[]).await.ok();
        for envoy in &world.envoys {
            waiting::stat(envoy, WARMING, |warming| warming > 0).await;
        }
    }
}

/// A fleet before `fraud-model`, which has all of their paths: blue is live, green is staged. `more` are
/// further lines of its spec.
pub async fn world(backends: &Backends, more: &str) -> World {
    world_with(backends, more, &[]).await
}

/// The same, with a server that is set so.
pub async fn world_with(backends: &Backends, more: &str, settings: &[(&str, &str)]) -> World {
    let mut world = World::stopped();
    world.serve(settings).await;
    let document = service("fraud-model", "/", world.listener.addr(), backends, more);
    world.apply(&document, &[]).await.ok();
    world.fleet(PROXIES).await;
    world
}

/// A fleet of two before `fraud-model`, in step; the second proxy reaches the server through a relay.
pub async fn half_behind_a_relay(backends: &Backends) -> (World, Relay) {
    let mut world = World::start().await;
    let document = service("fraud-model", "/", world.listener.addr(), backends, "");
    world.apply(&document, &[]).await.ok();
    let relay = Relay::start(world.xds).await;
    let xds = world.xds;
    world.envoy_of("payments", "proxy-1", xds).await;
    world.envoy_of("payments", "proxy-2", relay.addr()).await;
    world.ready().await;
    waiting::fleet(&world, "in sync", |fleet| fleet["delivery"]["acked"] == 2).await;
    (world, relay)
}

/// Some proxy was asked. What the load had no connection for, or no time, says nothing of where requests go.
pub fn was_sent(sample: &Sample) -> bool {
    !matches!(sample.outcome, Err(Failure::Connect | Failure::Overrun))
}

/// Waits until so many requests that are sent from now on have ended.
pub async fn more_answers(load: &Load, count: usize) {
    let since = load.origin().elapsed();
    let ended = async || {
        let samples = load.samples();
        let sent = samples.iter().filter(|one| was_sent(one));
        sent.filter(|one| one.sent >= since).count()
    };
    waiting::until("more answers", ended, |ended| *ended >= count).await;
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

/// Asserts that between two moments only `colour` answered requests.
#[track_caller]
pub fn only(report: &Report, colour: &str, from: Instant, to: Instant) {
    only_after(Duration::ZERO, report, colour, from, to);
}

/// The same where an answer takes the backend so long: whatever was sent after the first moment, and must have been routed before the
/// second one. A request may be on its way for a while, and then goes where the routes lead that there are when it comes.
#[track_caller]
fn only_after(takes: Duration, report: &Report, colour: &str, from: Instant, to: Instant) {
    let since = |at: Instant| at.saturating_duration_since(report.origin);
    let window = since(from)..=since(to);
    let mut samples = report.samples.iter().filter(|sample| {
        window.contains(&sample.sent) && window.contains(&sample.done.saturating_sub(takes))
    });
    let wrong = samples.find(|sample| sample.outcome.as_deref() != Ok(colour));
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
    proven_after(Duration::ZERO, report, flips);
}

/// The same where an answer takes the backend so long.
#[track_caller]
pub fn proven_after(takes: Duration, report: &Report, flips: &[Flip]) {
    for pair in flips.windows(2) {
        only_after(
            takes,
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
