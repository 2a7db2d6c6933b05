//! `strategy: canary` as a release carries it out: each step's share in real traffic, and the way back by itself.

use std::time::Instant;

use crate::{
    fixtures::{Backends, all_answered, load, more_answers, no_trouble, only},
    rollout::{self, answered, is_share, reached, steps},
    support::load::{Protocol, Shot},
    versions,
};

/// Requests a second: some hundred in each step.
const RATE: u32 = 300;

/// The steps' weights; the last has no pause.
const WEIGHTS: [u32; 4] = [10, 40, 70, 90];

/// The last step is left once its monitors have measured, the others after their pause.
const CANARY: &str = "  release:
    strategy: canary
    promotion: automatic
    canary:
      steps: [ { weight: 10, pause: 2s }, { weight: 40, pause: 2s }, { weight: 70, pause: 2s }, { weight: 90 } ]
      monitors:
        - name: alive
          http: { path: /healthz }
        - name: errors
          proxies: { window: 5s, minimumSamples: 20, successRate: { minimum: 0.95 } }
          inconclusiveLimit: 1000
    bake: { duration: 1s, interval: 1s, monitors: [ { name: alive, http: { path: /healthz } } ] }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_release_gives_each_step_its_share_then_everything_and_bakes() {
    let backends = Backends::start().await;
    let world = rollout::world(&backends, CANARY).await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, RATE, vec![Shot::get("/score")]);
    rollout::begin(&world, &[]).await;
    let release = reached(&world, "Standby").await;
    let ended = Instant::now();
    let report = load.stop().await;

    let weight = |step: &serde_json::Value| step["weight"].as_u64();
    let given: Vec<_> = steps(&release, "Shifting").filter_map(weight).collect();
    assert_eq!(given, WEIGHTS.map(u64::from), "{release}");
    let order = ["Shifting", "Switching", "Baking", "Standby"];
    let first = order.map(|phase| steps(&release, phase).next().map(|step| step["at"].clone()));
    let times: Vec<_> = first.iter().flatten().map(rollout::moment).collect();
    assert!(times.len() == 4 && times.is_sorted(), "{release}");

    // Each step is one push, and so is the switch.
    let pushes = rollout::pushes(&world, WEIGHTS.len() + 1).await;
    for (at, weight) in WEIGHTS[..3].iter().enumerate() {
        let (sent, green) = answered(&report, "green", pushes[at].1, pushes[at + 1].0);
        assert!(sent >= 200, "{sent} requests at {weight}%");
        is_share(green, sent, *weight);
    }
    only(&report, "blue", report.origin, pushes[0].0);
    only(&report, "green", pushes[WEIGHTS.len()].1, ended);
    all_answered(&report);
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_whose_monitor_fails_in_a_step_gives_its_share_back_by_itself() {
    let spec = CANARY
        .replace("{ weight: 40, pause: 2s }", "{ weight: 40, pause: 1h }")
        .replace(
            "        - name: alive\n          http: { path: /healthz }\n",
            "",
        );
    let backends = Backends::start().await;
    let world = rollout::world(&backends, &spec).await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, RATE, vec![Shot::get("/score")]);
    rollout::begin(&world, &[]).await;
    let second = |release: &serde_json::Value| steps(release, "Shifting").count() == 2;
    rollout::until(&world, "in its second step", second).await;

    // The new version is gone from one moment to the next.
    let died = Instant::now();
    let Backends { green, blue: _blue } = backends;
    let _failing = versions::die(green).await;
    let release = reached(&world, "RolledBack").await;
    let reason = release["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("success rate of fraud-model/green"),
        "{reason}"
    );
    let status = world.json(&["status", "fraud-model"]).await;
    assert_eq!(status["live"], "blue", "{status}");

    // Two steps there, one push back; then blue has it all again.
    let pushes = rollout::pushes(&world, 3).await;
    let back = pushes[2].1;
    more_answers(&load, 100).await;
    let report = load.stop().await;
    only(&report, "blue", back, Instant::now());
    // What was over before it died had not failed, and afterwards no more than its share did.
    let at = died.saturating_duration_since(report.origin);
    let mut over = report.samples.iter().filter(|one| one.done <= at);
    let failed = over.find(|one| one.outcome.is_err());
    assert!(failed.is_none(), "{failed:?} before {at:?}");
    let (sent, blue) = answered(&report, "blue", died, pushes[2].0);
    is_share(sent - blue, sent, 40);
}
