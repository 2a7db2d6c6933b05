//! Two fleets don't see each other; two operators who meet don't break anything.

use serde_json::Value;

use crate::{
    fixtures::{
        Backends, Flip, all_answered, load, more_answers, no_trouble, only, service, world,
    },
    support::{
        backend::Backend,
        envoy::Envoy,
        load::{Protocol, Shot},
        ports::ReservedPort,
        waiting,
        world::{READY, World},
    },
};

/// As many meetings of two operators.
const MEETINGS: usize = 10;

/// The names of an Envoy's clusters, without that of the control plane.
async fn clusters(envoy: &Envoy) -> Vec<String> {
    let dump = envoy.config_dump().await.expect("a dump");
    let configs = dump["configs"].as_array().expect("a list").iter();
    let clusters = configs.filter_map(|config| config["dynamic_active_clusters"].as_array());
    let names = clusters.flatten().map(|one| &one["cluster"]["name"]);
    let mut names: Vec<String> = names
        .map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fleets_do_not_see_each_other() {
    let backends = Backends::start().await;
    let other = Backends {
        blue: [Backend::start("other").await, Backend::start("other").await],
        green: [Backend::start("-").await, Backend::start("-").await],
    };
    let mut world = World::start().await;
    let target = world.listener.addr();
    let other_port = ReservedPort::take().expect("a port");
    let ours = service("fraud-model", "/", target, &backends, "");
    let theirs = service("risk-model", "/", other_port.addr(), &other, "");
    let theirs = theirs.replace("fleet: payments", "fleet: lending");
    world.apply(&format!("{ours}\n{theirs}"), &[]).await.ok();
    world.fleet(1).await;
    let xds = world.xds;
    world.envoy_of("lending", "lender-1", xds).await;
    let mut lender = world.envoys.pop().expect("just started");
    lender.ready(READY).await.expect("a ready Envoy");

    assert_eq!(
        clusters(&world.envoys[0]).await,
        ["fraud-model/blue", "fraud-model/green"]
    );
    assert_eq!(
        clusters(&lender).await,
        ["risk-model/blue", "risk-model/green"]
    );
    let proxies = async |fleet: &str| {
        let fleet = world.json(&["fleet", fleet]).await;
        let proxies = fleet["proxies"].as_array().expect("a list").iter();
        proxies.map(|one| one["proxy"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(proxies("payments").await, ["proxy-1"]);
    assert_eq!(proxies("lending").await, ["lender-1"]);

    // Whatever happens to one, the other is told nothing at all.
    let load = load(
        other_port.addr(),
        Protocol::Http1,
        100,
        vec![Shot::get("/score")],
    );
    let untouched = async || {
        let updates = waiting::sum(&lender, "(cds|lds|rds.*|eds.*)\\.update_attempt$").await;
        let revision = world.json(&["fleet", "lending"]).await["revision"].clone();
        (updates, revision)
    };
    let before = untouched().await;
    Flip::run(&world, "green", &["switch", "fraud-model"]).await;
    Flip::run(&world, "blue", &["rollback", "fraud-model"]).await;
    let delete = ["delete", "service", "fraud-model", "--yes", "--wait", "30s"];
    world.cli(&delete).await.ok();
    assert_eq!(untouched().await, before);
    let report = load.stop().await;
    all_answered(&report);
    only(&report, "other", report.origin, std::time::Instant::now());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_who_name_the_revision_exactly_one_wins() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);
    for meeting in 0..MEETINGS {
        let status = world.json(&["status", "fraud-model"]).await;
        let to = if status["live"] == "blue" {
            "green"
        } else {
            "blue"
        };
        let revision = status["revision"].to_string();
        let first = [
            "switch",
            "fraud-model",
            "--to",
            to,
            "--if-revision",
            &revision,
            "-o",
            "json",
        ];
        // The other one wants something that is always possible.
        let connect_timeout = format!("  cluster: {{ connectTimeout: {}ms }}", 300 + meeting);
        let changed = service("fraud-model", "/", target, &backends, &connect_timeout);
        let second = ["--if-revision", &revision, "--wait", "30s"];
        let (first, second) = tokio::join!(world.cli(&first), world.apply(&changed, &second));
        let mut codes = [first.code, second.code];
        codes.sort_unstable();
        assert_eq!(codes, [0, 4], "{first:?} {second:?}");
        let won = if first.code == 0 { first } else { second };
        let after = world.json(&["status", "fraud-model"]).await;
        assert_eq!(after["revision"], won.json()["revision"], "{won:?}");
    }
    all_answered(&load.stop().await);
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_who_race_end_in_one_state_everywhere() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);
    let mut settled = Vec::new();
    for _ in 0..MEETINGS {
        let forward = [
            "switch",
            "fraud-model",
            "--to",
            "green",
            "--force",
            "-o",
            "json",
        ];
        let back = ["rollback", "fraud-model", "-o", "json"];
        let (forward, back) = tokio::join!(world.cli(&forward), world.cli(&back));
        // Superseded or not, a forced switch is durable and accepted.
        assert_eq!(forward.code, 0, "{forward:?}");
        // 28: it came when there was nothing to go back from yet.
        assert!([0, 28].contains(&back.code), "{back:?}");
        let is_settled = |status: &Value| status["proxies"]["acked"] == 2;
        let ask = async || world.json(&["status", "fraud-model"]).await;
        let status = waiting::until("settled", ask, is_settled).await;
        let live = status["live"].as_str().expect("a colour").to_owned();
        let other = if live == "blue" { "green" } else { "blue" };
        assert_eq!(status["environments"][&live]["weight"], 100, "{status}");
        assert_eq!(status["environments"][other]["weight"], 0, "{status}");
        let since = std::time::Instant::now();
        // Some requests of every proxy, so that the state is one that was seen.
        more_answers(&load, 20).await;
        settled.push((live, since, std::time::Instant::now()));
    }
    let report = load.stop().await;
    all_answered(&report);
    for (live, from, to) in settled {
        only(&report, &live, from, to);
    }
    no_trouble(&world).await;
}
