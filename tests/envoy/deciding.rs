//! Where a release waits for a person, and what comes of what he says.

use serde_json::Value;

use crate::{
    fixtures::{Backends, PROXIES, all_answered, load, only},
    rollout::{self, begin, reached, steps, until},
    support::{
        asker::Asker,
        load::{Protocol, Shot},
        waiting,
        world::World,
    },
};

/// A person is asked, and then nobody any more.
const SIGN_OFF: &str = "  release:
    promotion: automatic
    validation: [ { name: sign-off, manual: { question: 'Do the numbers look right?' } } ]
";

/// A bake that asks a person what to do about a monitor that fails, and one that has nothing to judge by.
const WATCHED: &str = "  release:
    bake:
      duration: 2s
      interval: 1s
      onFailure: pause
      monitors: [ { name: errors, proxies: { window: 5s, minimumSamples: 20, successRate: { minimum: 0.95 } } } ]
";

fn is(phase: &str) -> impl Fn(&Value) -> bool {
    move |release| release["phase"] == phase
}

async fn live(world: &World) -> Value {
    world.json(&["status", "fraud-model"]).await["live"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_yes_is_all_that_an_automatic_release_waits_for() {
    let backends = Backends::start().await;
    let world = rollout::world(&backends, SIGN_OFF).await;
    begin(&world, &[]).await;
    reached(&world, "Validating").await;
    let approve = ["approve", "fraud-model", "-m", "recall is up"];
    world.json(&approve).await;
    let release = reached(&world, "Standby").await;
    assert_eq!(live(&world).await, "green");
    let check = &release["checks"][0]["message"];
    let said = check.as_str().expect("a message");
    assert!(
        said.contains("approved by") && said.contains("recall is up"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_no_fails_the_release_and_a_second_look_asks_again() {
    let backends = Backends::start().await;
    let world = rollout::world(&backends, SIGN_OFF).await;
    begin(&world, &[]).await;
    reached(&world, "Validating").await;
    world
        .json(&["reject", "fraud-model", "-m", "recall is too low"])
        .await;
    let release = until(&world, "failed", is("Failed")).await;
    let reason = release["reason"].as_str().expect("a reason");
    assert!(reason.contains("recall is too low"), "{reason}");
    assert_eq!(live(&world).await, "blue");

    // The earlier no is not the answer to a question that is asked now.
    world.json(&["retry", "fraud-model", "--detach"]).await;
    let twice =
        |release: &Value| is("Validating")(release) && steps(release, "Validating").count() == 2;
    until(&world, "asked again", twice).await;
    world.json(&["approve", "fraud-model"]).await;
    reached(&world, "Standby").await;
    assert_eq!(live(&world).await, "green");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_a_canary_waits_for_its_own_yes() {
    let spec = "  release:
    strategy: canary
    promotion: automatic
    canary: { steps: [ { weight: 10 }, { weight: 50 } ], monitors: [ { name: sign-off, manual: {} } ] }
";
    let backends = Backends::start().await;
    let world = rollout::world(&backends, spec).await;
    begin(&world, &[]).await;
    for step in 1..=2 {
        let asked = |release: &Value| {
            let checks = release["checks"].as_array().into_iter().flatten();
            let mut running = checks.filter(|check| check["phase"] == "Running");
            steps(release, "Shifting").count() == step && running.next().is_some()
        };
        until(&world, "asked", asked).await;
        assert_eq!(live(&world).await, "blue");
        world.json(&["approve", "fraud-model"]).await;
    }
    reached(&world, "Standby").await;
    assert_eq!(live(&world).await, "green");
}

#[tokio::test(flavor = "multi_thread")]
async fn promotion_is_said_with_the_release_or_waits_for_switch() {
    let spec = "  release: { validation: [ { name: alive, http: { path: /healthz } } ] }\n";
    let backends = Backends::start().await;
    let world = rollout::world(&backends, spec).await;
    let release = ["release", "fraud-model", "--version", "v2", "-o", "json"];
    // It returns where a person has to say something.
    let manual = world.cli(&release).await.ok().json();
    assert_eq!(manual["phase"], "Ready", "{manual}");
    assert_eq!(live(&world).await, "blue");
    world.json(&["abort", "fraud-model"]).await;
    let by_itself = [&release[..], &["--promotion", "automatic"]].concat();
    let automatic = world.cli(&by_itself).await.ok().json();
    assert_eq!(automatic["phase"], "Standby", "{automatic}");
    assert_eq!(live(&world).await, "green");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bake_without_anything_to_judge_by_waits_for_a_person_who_resumes_it() {
    let backends = Backends::start().await;
    let world = rollout::world(&backends, WATCHED).await;
    // Nobody sends a request. The command returns where a person has to say something.
    let release = [
        "release",
        "fraud-model",
        "--version",
        "v2",
        "--promotion",
        "automatic",
    ];
    let paused = world.cli(&[&release[..], &["-o", "json"]].concat()).await;
    assert_eq!(paused.code, 13, "{paused:?}");
    let release = paused.json();
    let reason = release["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("inconclusive") && reason.contains("bluegreen resume fraud-model"),
        "{reason}"
    );
    assert_eq!(live(&world).await, "green");
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);
    let reported = async || {
        let stats = world.json(&["fleet", "--stats", "payments"]).await;
        let clusters = stats["clusters"].as_array().cloned().unwrap_or_default();
        let green = |one: &&Value| one["cluster"] == "fraud-model/green";
        let green = clusters.iter().find(green).cloned().unwrap_or_default();
        green["successful"].as_u64().unwrap_or_default()
    };
    waiting::until("reported", reported, |count| *count >= 200).await;
    world.json(&["resume", "fraud-model"]).await;
    reached(&world, "Standby").await;
    all_answered(&load.stop().await);
    assert_eq!(live(&world).await, "green");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_fails_where_a_person_decides_leaves_the_traffic_until_he_does() {
    let spec = WATCHED.replace("duration: 2s", "duration: 1h").replace(
        "minimum: 0.95 } }",
        "minimum: 0.95 } }, inconclusiveLimit: 1000",
    );
    let backends = Backends::start().await;
    let world = rollout::world(&backends, &spec).await;
    let target = world.listener.addr();
    begin(&world, &["--promotion", "automatic"]).await;
    reached(&world, "Baking").await;
    // Every second answer of whoever is live is an error.
    let shots = vec![Shot::get("/score"), Shot::get("/status/503")];
    let bad = load(target, Protocol::Http1, 100, shots);
    let release = until(&world, "paused", is("Paused")).await;
    bad.stop().await;
    let reason = release["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("success rate") && reason.contains("bluegreen rollback fraud-model"),
        "{reason}"
    );
    let mut asker = Asker::connect(target).await;
    assert_eq!(asker.count("green", 100).await, 100);

    let back = world
        .cli(&["rollback", "fraud-model", "-o", "json"])
        .await
        .ok();
    assert_eq!(back.json()["proxies"]["acked"], PROXIES, "{back:?}");
    let good = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);
    reached(&world, "RolledBack").await;
    let report = good.stop().await;
    all_answered(&report);
    only(&report, "blue", back.returned, std::time::Instant::now());
}
