//! The `shadow:` phase of a release: copies of live requests reach the staged version, users notice nothing, and it ends by
//! itself.

use serde_json::Value;

use crate::{
    fixtures::{Backends, all_answered, load, no_trouble, only},
    rollout::{self, answered, is_share, moment, reached, steps},
    support::{
        asker::Asker,
        backend::Backend,
        load::{Protocol, Shot},
        waiting,
    },
    versions,
};

/// Requests a second.
const RATE: u32 = 300;

/// The share that is copied.
const PERCENT: u32 = 25;

/// Judged by what the proxies report of the copies.
const SHADOW: &str = "  release:
    shadow:
      percent: 25
      duration: 3s
      monitors:
        - name: copies
          interval: 1s
          proxies: { window: 5s, minimumSamples: 20, successRate: { minimum: 0.95 } }
          inconclusiveLimit: 1000
";

fn copies(backends: &[Backend]) -> usize {
    backends.iter().map(Backend::mirrored).sum::<u64>() as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_copies_its_share_of_live_requests_before_it_switches() {
    let backends = Backends::start().await;
    let world = rollout::world(&backends, SHADOW).await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, RATE, vec![Shot::get("/score")]);
    rollout::begin(&world, &[]).await;
    reached(&world, "Ready").await;
    world.json(&["switch", "fraud-model"]).await;
    let release = reached(&world, "Standby").await;

    // The switch is the only push that users could have noticed.
    let [(began, moved)] = rollout::pushes(&world, 1).await[..] else {
        panic!("more than one push: {release}");
    };
    let copied = copies(&backends.green);
    let mut asker = Asker::connect(target).await;
    assert_eq!(asker.count("green", 200).await, 200);
    assert_eq!(copies(&backends.green), copied, "it has ended");
    let report = load.stop().await;
    all_answered(&report);
    only(&report, "blue", report.origin, began);
    // Between the commit and the first copy, and between the last and the switch, time passes that is no time of the mirror.
    let times = backends.green.iter().filter_map(Backend::mirrored_from_to);
    let (first, last) = times
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        .expect("a copy");
    let shadowing = steps(&release, "Shadowing").next().expect("a step");
    assert!(moment(&shadowing["at"]) <= first && last <= moved);
    let (sent, _) = answered(&report, "blue", first, last);
    assert!(sent >= 600, "{sent} requests while it was mirrored");
    is_share(copied, sent, PERCENT);
    assert_eq!(copies(&backends.blue), 0);

    // What the monitor saw were the copies: nothing else had reached that environment.
    let record = world.json(&["releases", "fraud-model", "1"]).await;
    let check = &record["analyses"][0]["analysis"]["checks"][0];
    assert_eq!(check["phase"], "Successful", "{record}");
    let last = check["measurements"].as_array().and_then(|all| all.last());
    let seen = last.and_then(|last| last["values"]["requests"].as_f64());
    assert!(
        seen.is_some_and(|seen| (20.0..=copied as f64).contains(&seen)),
        "{copied} copies: {check}"
    );
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_fail_end_the_release_and_no_user_notices() {
    let spec = SHADOW.replace("duration: 3s", "duration: 1h");
    let backends = Backends::start().await;
    let world = rollout::world(&backends, &spec).await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, RATE, vec![Shot::get("/score")]);
    rollout::begin(&world, &[]).await;
    reached(&world, "Ready").await;
    world.json(&["switch", "fraud-model"]).await;
    let arrived = async || copies(&backends.green);
    waiting::until("mirrored", arrived, |copied| *copied > 0).await;
    let Backends { green, blue: _blue } = backends;
    let _failing = versions::die(green).await;
    let over = |release: &Value| release["over"] == true;
    let release = rollout::until(&world, "over", over).await;
    assert_eq!(release["phase"], "Failed", "{release}");
    let reason = release["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("success rate of fraud-model/green"),
        "{reason}"
    );

    // Nothing is copied any more, once every proxy has heard of it.
    let sent = async || {
        let sent = "^cluster.fraud-model/green.upstream_rq_total$";
        let before = world.counter(sent).await;
        let mut asker = Asker::connect(target).await;
        asker.count("blue", 100).await;
        world.counter(sent).await - before
    };
    waiting::until("not mirrored", sent, |copied| *copied == 0).await;
    let report = load.stop().await;
    all_answered(&report);
    assert_eq!(
        report.versions().keys().map(|it| &**it).collect::<Vec<_>>(),
        ["blue"]
    );
}
