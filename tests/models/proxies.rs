//! The `traffic` monitor of the page with a real Envoy: success rates and the model's own scores come with its load reports.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use bluegreen::{
    fleet::Requirement,
    gates::Context,
    model::{Colour, Split, TypeUrl, check::Phase},
    telemetry::Telemetry,
    xds::server,
};

use super::{
    fraud::{PAGE, ROWS, serve, traffic},
    release::{measure, release, shown},
    support::{
        envoy::{self, Envoy},
        plane::{Fleets, PATIENCE, Plane, service},
        ports::ReservedPort,
    },
};

const FLEET: &str = "payments";

/// One Envoy before blue and green.
struct Proxied {
    fleets: Fleets,
    listener: ReservedPort,
    _plane: Plane,
    _envoy: Envoy,
    _dir: tempfile::TempDir,
}

impl Proxied {
    async fn start(blue: SocketAddr, green: SocketAddr) -> Self {
        let fleets = Fleets::default().served_with(server::Options {
            load_report_interval: Duration::from_millis(200),
            ..server::Options::default()
        });
        let plane = Plane::start(&fleets).await;
        let listener = ReservedPort::take().unwrap();
        let port = listener.addr().port();
        fleets.change(FLEET, |input| {
            let service = service(port, &[blue], &[green], Colour::Blue);
            let name = "model".parse().unwrap();
            input.services.insert(name, Arc::new(service));
        });
        let dir = tempfile::tempdir().unwrap();
        let binary = envoy::binary().await.unwrap();
        let bootstrap = envoy::bootstrap(plane.address).unwrap();
        let started = Envoy::start(&binary, &bootstrap, "proxy-1", FLEET, dir.path()).await;
        let mut envoy = started.unwrap();
        envoy.ready(PATIENCE).await.unwrap();
        Self {
            fleets,
            listener,
            _plane: plane,
            _envoy: envoy,
            _dir: dir,
        }
    }

    /// Moves the traffic to green, and waits until the Envoy has accepted it.
    async fn switch(&self) {
        let pushed = self.fleets.change(FLEET, |input| {
            for service in input.services.values_mut() {
                Arc::make_mut(service).split = Split::all_to(Colour::Green);
            }
        });
        let routes = Requirement::new(pushed.revision, vec![TypeUrl::RouteConfiguration]);
        let accepted = |ledger: &bluegreen::fleet::Ledger| ledger.proof(&routes).is_complete();
        self.fleets.until(FLEET, "the switch", accepted).await;
    }

    /// Sends all labelled rows through the Envoy, and waits until it has reported them.
    ///
    /// What was sent before an Envoy's first report on a cluster is not in its reports: so traffic is sent until enough
    /// of it was reported.
    async fn score(&self, cluster: &str, factor: f64) {
        let reported = |telemetry: &Telemetry| {
            let load = telemetry.cluster(cluster, None);
            load.map_or(0, |load| load.successful + load.errors)
        };
        let telemetry = self.fleets.telemetry(FLEET);
        while reported(&telemetry) < ROWS {
            traffic(self.listener.addr(), factor).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_that_shift_after_a_switch_are_seen_by_the_proxies_alone() {
    for (factor, phase) in [(1.0, Phase::Successful), (5_000.0, Phase::Failed)] {
        let (blue, _blue) = serve("v1.3.json").await;
        let (green, _green) = serve("v1.3.json").await;
        let proxied = Proxied::start(blue, green).await;
        proxied.score("model/blue", 1.0).await;
        proxied.switch().await;
        proxied.score("model/green", factor).await;
        let context = Context {
            telemetry: proxied.fleets.telemetry(FLEET),
            ..release(green, blue)
        };
        let measured = measure(&shown(PAGE, "traffic", &[]), &context).await;
        assert_eq!(measured.phase, phase, "{factor}: {measured:?}");
        assert_eq!(measured.values["successRate"], 1.0);
        let told: BTreeMap<_, _> = measured.values;
        let distance = (told["fraud_score"] - told["fraud_score.baseline"]).abs();
        assert!((distance > 0.1) == (phase == Phase::Failed), "{told:?}");
    }
}
