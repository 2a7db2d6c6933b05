//! A fleet goes back to an earlier revision: what comes back, what stays, and what is said about it.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::{
    Story, context, deploy, endpoints, insist,
    lifecycle::{release, release_spec, with},
    lifecycle_properties::{at, check_state, event, nexts, specs, start},
    name, retire, scale, switch,
};
use crate::{
    model::{Colour, Revision},
    release::{
        EffectKind, Event, FleetState, InUse, Phase, Reason, Restored, Role, RolloutPhase,
        ServiceState, Verb, restore, step,
    },
};

fn fleet(states: &[&ServiceState]) -> FleetState {
    FleetState {
        services: states
            .iter()
            .map(|state| (state.name.clone(), Arc::new((*state).clone())))
            .collect(),
        ..FleetState::default()
    }
}

/// The service goes back from `now` to `then`.
fn back(now: &Story, then: &ServiceState, exact: bool) -> (Story, Restored) {
    let revision = now.revision + 1;
    let restored = restore(
        &fleet(&[&now.state]),
        &fleet(&[then]),
        exact,
        &context(revision),
    );
    let state = ServiceState::clone(&restored.state.services["fraud-model"]);
    (Story { state, revision }, restored)
}

fn kinds(restored: &Restored) -> Vec<&'static str> {
    restored.notices.iter().map(|notice| notice.kind).collect()
}

#[test]
fn a_deployment_that_still_exists_keeps_its_endpoints_of_now() {
    let then = Story::one().state;
    let now = Story::one().then(scale(Colour::Blue, &["10.0.0.8:80"]));
    let (story, restored) = back(&now, &then, false);
    assert_eq!(story.state.blue, now.state.blue);
    assert!(!restored.changed);

    let (story, restored) = back(&now, &then, true);
    let blue = story.state.blue.deployment.unwrap();
    assert_eq!(blue.endpoints, endpoints(&["10.0.0.1:80"]));
    // Proxies have the address of now: that of then comes with this revision.
    assert_eq!(blue.introduced, Revision(3));
    assert!(restored.changed);
}

#[test]
fn an_environment_that_could_not_be_made_is_not_tried_again_where_the_live_one_is_back() {
    let hooks = json!({ "provision": { "webhook": "http://hooks.test/up" } });
    let then = with(release_spec(json!({ "hooks": hooks })));
    let blue = then.state.clone();
    let switched = then
        .then(release("v1.3", &["10.0.0.2:80"]))
        .answered(true, &[])
        .delivered()
        .then(switch(None))
        .then(Event::Retire {
            force: true,
            in_use: InUse::default(),
        });
    let failed = switched.then(release("v1.4", &[])).answered(false, &[]);
    let retry = Event::Steer(Verb::Retry);
    assert!(failed.would(&retry).is_ok());
    let (back, _) = back(&failed, &blue, false);
    assert_eq!(back.state.live, Colour::Blue);
    let refused = back.would(&retry).unwrap_err();
    assert_eq!(refused.reason, Reason::WrongPhase);
    assert!(refused.remedy.contains("begin another"), "{refused}");
}

#[test]
fn a_deployment_that_is_gone_comes_back_with_its_endpoints_of_then() {
    let then = Story::one().then(deploy("v1.3", &["up.test:80"]));
    let now = Story {
        state: then.state.clone(),
        revision: then.revision,
    }
    .then(deploy("v1.4", &["10.0.0.4:80"]));
    let (story, restored) = back(&now, &then.state, false);
    let green = story.state.green.deployment.unwrap();
    assert_eq!((green.number, green.version.as_str()), (2, "v1.3"));
    assert_eq!(green.introduced, Revision(4));
    assert_eq!(story.state.deployments, 3);
    assert_eq!(kinds(&restored), ["old-endpoints"]);
}

#[test]
fn endpoints_that_were_taken_away_since_come_back() {
    let then = Story::one().state;
    let now = Story::one().then(insist(scale(Colour::Blue, &[])));
    let (story, restored) = back(&now, &then, false);
    assert_eq!(
        story.state.blue.deployment.unwrap().endpoints,
        endpoints(&["10.0.0.1:80"])
    );
    assert_eq!(kinds(&restored), ["old-endpoints"]);
}

#[test]
fn a_service_that_is_as_it_was_keeps_its_way_back() {
    let then = Story::one()
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(switch(None));
    let (story, restored) = back(&then, &then.state, false);
    assert!(!restored.changed && restored.notices.is_empty());
    assert_eq!(story.then(Event::Rollback).state.live, Colour::Blue);
}

#[test]
fn a_standby_that_was_given_up_and_is_back_can_be_rolled_back_to() {
    let switched = || {
        Story::one()
            .then(deploy("v1.3", &["10.0.0.2:80"]))
            .then(switch(None))
    };
    let then = switched().state;
    for given_up in [retire(), insist(deploy("v1.4", &["10.0.0.4:80"]))] {
        let (story, _) = back(&switched().then(given_up), &then, true);
        assert_eq!(story.state.blue.role, Role::Standby);
        assert_eq!(story.then(Event::Rollback).state.live, Colour::Blue);
    }
}

#[test]
fn a_release_whose_traffic_moves_is_ended() {
    let before = Story::one().then(deploy("v1.3", &["10.0.0.2:80"]));
    let then = before.state.clone();
    let (story, restored) = back(&before.then(switch(None)), &then, false);
    assert_eq!(
        (story.state.live, story.state.green.role),
        (Colour::Blue, Role::Staged)
    );
    assert_eq!(
        story.state.release.as_ref().unwrap().phase,
        Phase::Completed
    );
    assert_eq!(kinds(&restored), ["release-ended"]);
    assert_eq!(
        story.would(&Event::Rollback).unwrap_err().reason,
        Reason::NothingToRollBack
    );
    // The next release counts on.
    let next = story.then(switch(None)).state.release.unwrap();
    assert_eq!((next.number, next.phase), (2, Phase::Switched));
}

#[test]
fn an_environment_with_traffic_is_not_emptied_under_its_requests() {
    let then = Story::one().state;
    let staged = || Story::one().then(deploy("v1.3", &["10.0.0.2:80"]));
    let shifted = staged().then(Event::Shift {
        weight: 20,
        force: false,
    });
    for now in [staged().then(switch(None)), shifted] {
        let (story, restored) = back(&now, &then, false);
        assert_eq!(story.state.split().blue, 100);
        assert_eq!(story.state.green.role, Role::Staged);
        assert_eq!(story.state.green.deployment, now.state.green.deployment);
        assert_eq!(
            story.would(&switch(None)).unwrap_err().reason,
            Reason::WasRolledBack
        );
        assert!(kinds(&restored).contains(&"not-emptied"));

        let (exactly, _) = back(&now, &then, true);
        assert_eq!(exactly.state.green.role, Role::Empty);
    }
    // Nobody uses what is only staged.
    let (story, _) = back(&staged(), &then, false);
    assert_eq!(story.state.green.role, Role::Empty);
}

#[test]
fn a_standby_of_then_is_guarded_and_can_be_switched_to_by_name() {
    let switched = Story::one()
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(switch(None));
    let then = switched.state.clone();
    let (story, restored) = back(&switched.then(Event::Rollback), &then, false);
    assert_eq!(
        (story.state.live, story.state.blue.role),
        (Colour::Green, Role::Standby)
    );
    // v1.3 was rolled back since; that it is live again must not go unsaid.
    assert_eq!(kinds(&restored), ["was-rolled-back", "release-ended"]);

    let refusal = story.would(&Event::Rollback).unwrap_err();
    assert_eq!(refusal.reason, Reason::NothingToRollBack);
    assert!(
        refusal
            .remedy
            .contains("`bluegreen switch fraud-model --to blue`"),
        "{refusal}"
    );
    assert_eq!(
        story
            .would(&deploy("v2", &["10.0.0.3:80"]))
            .unwrap_err()
            .reason,
        Reason::WouldReplaceStandby
    );
    assert_eq!(
        story.then(switch(Some(Colour::Blue))).state.live,
        Colour::Blue
    );
}

#[test]
fn what_was_rolled_back_since_stays_marked() {
    let staged = Story::one().then(deploy("v1.3", &["10.0.0.2:80"]));
    let then = staged.state.clone();
    let (story, _) = back(
        &staged.then(switch(None)).then(Event::Rollback),
        &then,
        false,
    );
    assert!(story.state.green.rolled_back);
    assert_eq!(
        story.would(&switch(None)).unwrap_err().reason,
        Reason::WasRolledBack
    );
}

#[test]
fn services_that_vanish_or_return_are_listed() {
    let one = Story::one().state;
    let other = |text: &str| ServiceState {
        name: name(text),
        ..one.clone()
    };
    let (new, old) = (other("new"), other("old"));
    let restored = restore(
        &fleet(&[&one, &new]),
        &fleet(&[&one, &old]),
        false,
        &context(2),
    );
    assert_eq!(restored.vanishing, [name("new")]);
    assert_eq!(restored.returning, [name("old")]);
    let services: Vec<_> = restored
        .state
        .services
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(services, ["fraud-model", "old"]);
}

#[test]
fn a_service_made_anew_does_not_lend_its_endpoints_to_the_old_one() {
    let then = Story::one().state;
    let mut anew = then.clone();
    let deployment = anew.blue.deployment.as_mut().unwrap();
    deployment.version = "v9".to_owned();
    deployment.endpoints = endpoints(&["10.0.0.9:80"]);
    let (story, _) = back(
        &Story {
            state: anew,
            revision: 4,
        },
        &then,
        false,
    );
    assert_eq!(
        story.state.blue.deployment.unwrap().endpoints,
        endpoints(&["10.0.0.1:80"])
    );
}

/// At 10% of a canary.
fn shifting() -> Story {
    let canary = release_spec(json!({
        "strategy": "canary",
        "canary": { "steps": [{ "weight": 10, "pause": "5m" }, { "weight": 50 }] },
    }));
    with(canary)
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .then(switch(None))
}

#[test]
fn the_share_of_a_canary_is_not_restored_without_its_release() {
    let then = shifting().state;
    assert_eq!(then.split().green, 10);
    let switched = shifting().delivered().after(5).delivered();
    let half = shifting().delivered().after(5);
    let aborted = shifting().then(Event::Steer(Verb::Abort));
    for (now, phase, said) in [
        (
            switched,
            RolloutPhase::RolledBack,
            vec!["release-ended", "not-restored"],
        ),
        (
            half,
            RolloutPhase::Aborted,
            vec!["not-restored", "release-ended"],
        ),
        (aborted, RolloutPhase::RollingBack, vec!["not-restored"]),
    ] {
        let (story, restored) = back(&now, &then, false);
        assert_eq!(story.state.split().blue, 100);
        assert_eq!(story.phase(), phase);
        assert_eq!(story.rollout().log.last().unwrap().weight, 0);
        let its = story.rollout().moved_in == Some(Revision(story.revision));
        assert_eq!(its, now.state.split() != story.state.split(), "{phase}");
        assert_eq!(kinds(&restored), said);
    }
}

#[test]
fn who_listens_hears_that_going_back_ended_a_release() {
    let then = shifting().state;
    let now = shifting().delivered().after(5).state;
    let context = at(9, 0);
    let restored = restore(&fleet(&[&now]), &fleet(&[&then]), false, &context);
    let state = &restored.state.services["fraud-model"];
    let told = state.outbox.last().unwrap();
    let EffectKind::SendEvent { phase, reason, .. } = &told.kind else {
        panic!("{told:?}");
    };
    assert_eq!(*phase, RolloutPhase::Aborted);
    assert_eq!(*reason, state.rollout.as_ref().unwrap().reason);
    assert!(told.id > now.effects, "an id is never used again");

    // One that stands as it was has nothing to tell.
    let restored = restore(&fleet(&[&now]), &fleet(&[&now]), false, &context);
    assert_eq!(restored.state.services["fraud-model"].outbox, now.outbox);
}

#[test]
fn a_canary_that_is_where_it_was_goes_on() {
    let then = shifting().state;
    let now = shifting().delivered();
    let (story, restored) = back(&now, &then, false);
    assert_eq!(
        (story.phase(), story.state.split().green),
        (RolloutPhase::Shifting, 10)
    );
    assert!(kinds(&restored).is_empty());
    let story = story.after(5);
    assert_eq!(story.state.split().green, 50);
}

#[test]
fn a_share_that_an_operator_gave_comes_back() {
    let staged = || Story::one().then(deploy("v1.3", &["10.0.0.2:80"]));
    let shifted = staged().then(Event::Shift {
        weight: 20,
        force: false,
    });
    let (story, restored) = back(&staged(), &shifted.state, false);
    assert_eq!(story.state.split().green, 20);
    assert!(kinds(&restored).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// "Weights match the phase", whichever revision one goes back to.
    #[test]
    fn weights_match_the_phase_after_going_back(
        spec in specs(),
        nexts in vec(nexts(), 1..60),
        which in any::<prop::sample::Index>(),
    ) {
        let Story { mut state, mut revision } = start(spec);
        let mut past = vec![state.clone()];
        for next in &nexts {
            let Some(event) = event(next, &state) else { continue };
            if let Ok(done) = step(&state, &event, &at(revision + 1, 0)) {
                revision += u64::from(done.changed);
                state = done.state;
                past.push(state.clone());
            }
        }
        let then = which.get(&past);
        let restored = restore(&fleet(&[&state]), &fleet(&[then]), false, &at(revision + 1, 0));
        check_state(&restored.state.services[&state.name]);
    }
}
