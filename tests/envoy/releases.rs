//! Releases on real Envoys: what the proxies report takes a bad version back by itself, and a server that is killed in the bake
//! goes on baking.

use std::time::Instant;

use serde_json::Value;

use crate::{
    fixtures::{Backends, load, more_answers, only},
    rollout::{self, REPORTS},
    support::{
        backend::Backend,
        load::{Load, Protocol, Shot},
        waiting,
        world::World,
    },
    versions,
};

/// A bake that outlives the test, watched by what the proxies report. No interval is shorter than a second.
const WATCHED: &str = "  release:
    bake:
      duration: 1h
      interval: 1s
      monitors:
        - name: errors
          proxies: { window: 5s, minimumSamples: 20, successRate: { minimum: 0.95 } }
          inconclusiveLimit: 1000
";

/// Green is live and bakes, under load.
async fn baking(backends: &Backends) -> (World, Load) {
    let world = rollout::world(backends, WATCHED).await;
    let load = load(
        world.listener.addr(),
        Protocol::Http1,
        100,
        vec![Shot::get("/score")],
    );
    world.cli(&["switch", "fraud-model"]).await.ok();
    waiting_for(&world, "Baking").await;
    (world, load)
}

/// The newest sentences of the fleet's history, once one of them says that.
async fn waiting_for(world: &World, says: &str) -> Vec<String> {
    let ask = async || {
        let history = world.json(&["history", "payments"]).await;
        let entries = history.as_array().cloned().unwrap_or_default();
        let what = |entry: &Value| entry["what"].as_str().unwrap_or_default().to_owned();
        entries.iter().map(what).collect::<Vec<_>>()
    };
    let said = |all: &Vec<String>| all.iter().any(|what| what.contains(says));
    waiting::until(says, ask, said).await
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_that_the_proxies_report_take_a_bad_version_back() {
    let backends = Backends::start().await;
    let (world, load) = baking(&backends).await;
    // Errors are injected: the new version is there and answers 503.
    backends.green.iter().for_each(Backend::fail);
    let history = waiting_for(&world, "RolledBack").await;
    let why = history
        .iter()
        .find(|what| what.contains("RolledBack"))
        .unwrap();
    // What failed, with the numbers.
    assert!(why.contains("errors is Failed"), "{why}");
    assert!(why.contains("0.95") || why.contains("95"), "{why}");
    let status = world.json(&["status", "fraud-model"]).await;
    assert_eq!(status["live"], "blue", "{status}");
    let back = Instant::now();
    more_answers(&load, 100).await;
    let report = load.stop().await;
    only(&report, "blue", back, Instant::now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_bake_watches_on() {
    let backends = Backends::start().await;
    let (world, load) = baking(&backends).await;
    world.kill().await;
    world.serve(&[REPORTS]).await;
    waiting::fleet(&world, "back", |fleet| fleet["delivery"]["acked"] == 2).await;
    // The new version is gone from one moment to the next.
    let Backends { green, blue: _blue } = backends;
    let _failing = versions::die(green).await;
    waiting_for(&world, "RolledBack").await;
    let status = world.json(&["status", "fraud-model"]).await;
    assert_eq!(status["live"], "blue", "{status}");
    load.stop().await;
}
