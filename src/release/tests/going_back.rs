//! A rollback while a release is on its way: to what was live before the last switch, whatever the release is at.

use super::{
    Story, deploy,
    lifecycle::{release, release_spec, usual, whole, with},
    lifecycle_properties::{check_state, insist_release},
};
use crate::{
    model::{Colour, ReleaseSpec, check::Phase as CheckPhase},
    release::{Event, Phase, Reason, RolloutPhase, Verb},
};

/// v1.3 live in green by `switch`, v1.2 its standby in blue; then v1.4 is released, in blue.
fn replacing(spec: ReleaseSpec) -> Story {
    let story = with(spec).then(deploy("v1.3", &["10.0.0.2:80"]));
    let story = story.then(Event::Switch {
        to: None,
        force: true,
        skip_gates: true,
    });
    let story = story.delivered().analysed(CheckPhase::Successful).after(30);
    assert_eq!(story.phase(), RolloutPhase::Standby);
    let v1_4 = match insist_release() {
        Event::Release {
            endpoints,
            promotion,
            replace_standby,
            ..
        } => Event::Release {
            version: "v1.4".to_owned(),
            endpoints,
            promotion,
            replace_standby,
        },
        other => other,
    };
    let story = story.then(v1_4);
    assert_eq!(story.rollout().number, 2);
    story
}

#[test]
fn while_an_environment_is_made_the_standby_is_still_there_and_the_release_is_given_up() {
    let made = || {
        let mut spec = usual();
        spec.hooks = whole().hooks;
        replacing(spec)
    };
    let failed = || made().answered(false, &[]);
    let ways = [
        (RolloutPhase::Provisioning, made()),
        (RolloutPhase::Failed, failed()),
        (
            RolloutPhase::Aborted,
            made().then(Event::Steer(Verb::Abort)),
        ),
    ];
    for (phase, story) in ways {
        assert_eq!(story.phase(), phase);
        let story = story.then(Event::Rollback);
        check_state(&story.state);
        assert_eq!(story.state.live, Colour::Blue, "{phase}");
        let release = story.state.release.as_ref().unwrap();
        assert_eq!((release.number, release.phase), (1, Phase::RolledBack));
        // It moved no traffic, so none went back from it.
        let rollout = story.rollout();
        assert_eq!(rollout.phase, RolloutPhase::Aborted, "{phase}");
        assert_eq!(
            rollout.reason, "given up: the traffic went back from v1.3 to v1.2, by alice",
            "{phase}"
        );
        // Said again, it is the same rollback.
        let again = story.would(&Event::Rollback).unwrap();
        assert!(!again.changed);
        assert_eq!(
            again.what,
            "fraud-model is rolled back already, from v1.3 to v1.2 in blue"
        );
        // What was to replace v1.3 would now be made in the live environment's place, and v1.3 is nothing to try again.
        let retry = story.would(&Event::Steer(Verb::Retry)).unwrap_err();
        assert_eq!(retry.reason, Reason::WrongPhase, "{phase}: {retry}");
    }
}

#[test]
fn one_that_has_taken_the_standbys_place_is_named_by_the_refusal() {
    let mut spec = usual();
    spec.promotion = crate::model::Promotion::Automatic;
    let story = replacing(spec).delivered();
    assert_eq!(story.phase(), RolloutPhase::Validating);
    let refusal = story.would(&Event::Rollback).unwrap_err();
    assert_eq!(refusal.reason, Reason::StandbyReplaced);
    assert!(
        refusal.message.contains("release 2 (v1.4) is Validating"),
        "{refusal}"
    );
    assert!(
        refusal.remedy.contains("`bluegreen abort fraud-model`"),
        "{}",
        refusal.remedy
    );
    // It is over: nothing moves by itself any more.
    let story = story.then(Event::Steer(Verb::Abort));
    let refusal = story.would(&Event::Rollback).unwrap_err();
    assert!(!refusal.to_string().contains("abort"), "{refusal}");
}

#[test]
fn what_comes_of_the_release_afterwards_moves_nothing_forward() {
    let automatic = release_spec(serde_json::json!({
        "promotion": "automatic",
        "validation": [{ "name": "smoke", "http": { "path": "/healthz" } }],
        "bake": { "duration": "30m", "monitors": [{ "name": "errors", "http": { "path": "/healthz" } }] },
    }));
    let story = with(automatic).then(release("v1.3", &["10.0.0.2:80"]));
    let story = story.delivered().analysed(CheckPhase::Successful);
    let promoted = Event::Switch {
        to: None,
        force: false,
        skip_gates: false,
    };
    let story = story.then(promoted.clone()).delivered();
    assert_eq!(story.phase(), RolloutPhase::Baking);
    let analysis = story.rollout().analysis.unwrap();
    let passed = story.news(crate::release::SignalKind::AnalysisEnded {
        analysis,
        phase: CheckPhase::Successful,
        reason: String::new(),
    });
    let story = story.then(Event::Rollback);
    assert_eq!(story.phase(), RolloutPhase::RollingBack);
    // The bake's end, and the switch that the server had been about to give itself once more, are too late.
    assert!(!story.would(&passed).unwrap().changed);
    let refusal = story.would(&promoted).unwrap_err();
    assert_eq!(refusal.reason, Reason::WasRolledBack);
    let story = story.delivered();
    assert_eq!(story.phase(), RolloutPhase::RolledBack);
    assert!(story.state.outbox.is_empty());
    assert_eq!(story.state.live, Colour::Blue);
}
