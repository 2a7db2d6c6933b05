//! A release outlives its server: in every phase the real process is killed with signal 9 and started again on the same data. It
//! is where it was, does again what was not done, under the same ids, and goes on to its end.

#[allow(dead_code, reason = "the tests of the controller use the rest of it")]
#[path = "control/calls.rs"]
mod calls;
#[path = "phases/fixture.rs"]
mod fixture;
#[cfg(feature = "fault-points")]
#[path = "phases/instants.rs"]
mod instants;
mod support;

use bluegreen::api::steer_request::Verb;
use fixture::{Stage, phases};
use support::proxy::Hold;

/// Everything that a release can be declared to do. Its times are short; where one would end a phase that the test kills
/// the server in, no proxy is there, and then it does not count.
fn whole(stage: &Stage) -> String {
    let at = |path| stage.outside.url(path);
    format!(
        "    strategy: canary
    promotion: automatic
    hooks:
      provision: {{ webhook: \"{}\", timeout: 5m }}
      confirmPromotion: {{ webhook: \"{}\", timeout: 5m }}
      terminate: {{ webhook: \"{}\", timeout: 5m }}
    validation: [ {{ name: smoke, timeout: 5m, http: {{ path: /gate }} }} ]
    shadow: {{ percent: 10, duration: 1s }}
    canary: {{ steps: [ {{ weight: 10 }}, {{ weight: 50 }} ] }}
    bake: {{ duration: 1s, interval: 1s, monitors: [ {{ name: errors, http: {{ path: /bake }} }} ] }}
    standby: 1s
    acceptShortStandby: true
",
        at("/provision"),
        at("/confirm"),
        at("/terminate"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_killed_on_its_whole_way() {
    let stage = Stage::with(whole).await;
    stage.release().await;
    let outside = &stage.outside;

    stage.reached("Provisioning").await;
    outside.calls("/provision", 1).await;
    stage.killed("Provisioning").await;
    outside.calls("/provision", 2).await;
    stage.second.hold(Hold::Endpoints);
    let endpoints = format!(r#"{{ "endpoints": ["{}"] }}"#, outside.addr());
    outside.answer("/provision", 200, &endpoints);

    stage.reached("Staged").await;
    stage.killed("Staged").await;
    stage.second.hold(Hold::Nothing);

    stage.reached("Validating").await;
    outside.calls("/gate", 1).await;
    stage.killed("Validating").await;
    outside.calls("/gate", 2).await;
    outside.answer("/gate", 200, "");

    stage.reached("Ready").await;
    outside.calls("/confirm", 1).await;
    stage.killed("Ready").await;
    outside.calls("/confirm", 2).await;
    // Nothing moves before everybody knows the endpoints again.
    stage.accepted(2).await;
    stage.first.leave();
    stage.second.leave();
    stage.away(2).await;
    outside.answer("/confirm", 200, "");

    stage.reached("Shadowing").await;
    stage.killed("Shadowing").await;
    stage.second.hold(Hold::GreenFrom(10));
    stage.first.come_back();
    stage.second.come_back();

    for (share, next) in [(10, 50), (50, 100)] {
        stage.shifted(share).await;
        stage.killed("Shifting").await;
        stage.first.served(share).await;
        stage.second.hold(Hold::GreenFrom(next));
    }

    stage.reached("Switching").await;
    stage.killed("Switching").await;
    stage.first.served(100).await;
    outside.answer("/bake", 200, "");
    stage.first.leave();
    stage.second.leave();

    // Those that are away can't be waited for, and while they are nothing bakes.
    let baking = stage.reached("Baking").await;
    assert_eq!((baking.elapsed_ms, baking.limit_ms), (0, 1_000));
    outside.calls("/bake", 1).await;
    let baking = stage.killed("Baking").await;
    assert_eq!((baking.elapsed_ms, baking.limit_ms), (0, 1_000));
    outside.calls("/bake", 2).await;
    stage.second.hold(Hold::Nothing);
    stage.first.come_back();
    stage.second.come_back();
    outside.answer("/terminate", 200, "");
    let record = stage.ended("the terminate hook was called").await;

    assert_eq!(
        phases(&record),
        [
            "Provisioning",
            "Staged",
            "Validating",
            "Ready",
            "Shadowing",
            "Shifting",
            "Switching",
            "Baking",
            "Standby",
            "Retiring",
            "Completed",
        ]
    );
    let ran: Vec<_> = record["analyses"].as_array().unwrap().iter().collect();
    let ran: Vec<_> = ran
        .iter()
        .map(|it| (&it["number"], &it["purpose"]))
        .collect();
    assert_eq!(
        ran,
        [
            (&1.into(), &"validation".into()),
            (&2.into(), &"bake".into())
        ]
    );
    for hook in ["/provision", "/confirm", "/terminate"] {
        stage.same_call(hook);
    }
    stage.first.served(100).await;
}

const NO_BAKE: &str = "    standby: 1s
    acceptShortStandby: true
";

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_retired_by_a_server_that_was_killed() {
    let hook = |stage: &Stage| {
        let url = stage.outside.url("/terminate");
        format!("    hooks: {{ terminate: {{ webhook: \"{url}\", timeout: 5m }} }}\n{NO_BAKE}")
    };
    let stage = Stage::with(hook).await;
    stage.release().await;
    stage.reached("Ready").await;
    stage.second.hold(Hold::GreenFrom(100));
    stage.switch().await;
    stage.reached("Switching").await;
    stage.first.leave();
    stage.second.leave();

    let standby = stage.reached("Standby").await;
    assert_eq!((standby.elapsed_ms, standby.limit_ms), (0, 1_000));
    let standby = stage.killed("Standby").await;
    assert_eq!((standby.elapsed_ms, standby.limit_ms), (0, 1_000));
    // It may still route to the standby: until it has accepted the switch nothing is taken away.
    stage.first.come_back();
    stage.second.come_back();

    stage.reached("Retiring").await;
    stage.killed("Retiring").await;
    stage.second.served(100).await;
    stage.second.hold(Hold::Nothing);

    stage.reached("Completed").await;
    stage.outside.calls("/terminate", 1).await;
    stage.killed("Completed").await;
    stage.outside.calls("/terminate", 2).await;
    stage.outside.answer("/terminate", 200, "");
    stage.ended("the terminate hook was called").await;
    stage.same_call("/terminate");
}

const WATCHED: &str = "    validation: [ { name: smoke, timeout: 5m, http: { path: /gate } } ]
    bake: { duration: 1h, interval: 1s, monitors: [ { name: errors, timeout: 5m, http: { path: /bake } } ] }
    standby: 1h
";

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_was_given_up_paused_or_taken_back_stays_so_over_a_kill() {
    let stage = Stage::with(|_| WATCHED.to_owned()).await;
    let outside = &stage.outside;
    stage.release().await;
    outside.calls("/gate", 1).await;
    outside.let_go("/gate", 500);

    stage.reached("Failed").await;
    let failed = stage.killed("Failed").await;
    assert!(
        failed.reason.contains("bluegreen retry"),
        "{}",
        failed.reason
    );
    stage.steer(Verb::Retry).await;
    outside.calls("/gate", 2).await;
    stage.steer(Verb::Abort).await;

    stage.reached("Aborted").await;
    stage.killed("Aborted").await;
    // What was running when it was given up is not run again.
    assert_eq!(outside.so_far("/gate").len(), 2);
    outside.answer("/gate", 200, "");
    stage.steer(Verb::Retry).await;
    stage.reached("Ready").await;
    stage.switch().await;

    stage.reached("Baking").await;
    outside.calls("/bake", 1).await;
    stage.steer(Verb::Pause).await;
    stage.reached("Paused").await;
    let paused = stage.killed("Paused").await;
    assert_eq!(paused.limit_ms, 3_600_000);
    stage.steer(Verb::Resume).await;
    stage.reached("Baking").await;
    // Of the resumed bake, after that of the paused one.
    outside.calls("/bake", 2).await;
    stage.second.hold(Hold::GreenBelow(100));
    outside.answer("/bake", 500, "");

    stage.reached("RollingBack").await;
    let back = stage.killed("RollingBack").await;
    assert!(back.reason.contains("500"), "{}", back.reason);
    stage.first.served(0).await;
    stage.second.hold(Hold::Nothing);

    stage.reached("RolledBack").await;
    stage.killed("RolledBack").await;
    let refused = stage.would_switch().await;
    assert_eq!(refused.reason, "was-rolled-back");
    let record = stage.ended("500").await;
    assert_eq!(record["rollout"]["rolledBackByServer"], true);
    let back = phases(&record);
    assert_eq!(back.iter().filter(|it| *it == "RollingBack").count(), 1);
    stage.first.served(0).await;
}
