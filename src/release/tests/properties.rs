//! The named invariants, under random schedules of events.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::{
    context, environment,
    generators::{answering, event, starts, turns},
    name, spec,
};
use crate::{
    model::Colour,
    release::{
        Deployment, Environment, Event, FleetState, Phase, Role, ServiceState, Temporary, create,
        restore, step,
    },
};

/// What holds in every state.
fn check_state(state: &ServiceState, revision: u64) {
    check_roles(state, revision);
    let other = state.environment(state.live.other());
    // A standby is there for exactly as long as there is a release to roll back.
    let switched = state
        .release
        .as_ref()
        .is_some_and(|release| release.phase == Phase::Switched);
    assert_eq!(other.role == Role::Standby, switched, "{state:#?}");
}

/// What holds even after the rollback of a fleet, which brings a standby back, but not its release.
fn check_roles(state: &ServiceState, revision: u64) {
    // "Exactly one environment is live", and it has all the traffic but for the share of a staged one.
    let live = Colour::BOTH.map(|colour| state.environment(colour).role == Role::Live);
    assert_eq!(live.iter().filter(|live| **live).count(), 1, "{state:#?}");
    assert_eq!(state.environment(state.live).role, Role::Live);
    let (split, shifting) = (state.split(), &state.shifting);
    assert_eq!(
        (split.weight(state.live), split.blue + split.green),
        (100 - shifting.weight, 100)
    );
    assert!(shifting.weight < 100);
    // "Only a staged environment is previewed, mirrored to or shifted to."
    let staged = |colour| state.environment(colour).role == Role::Staged;
    assert!(shifting.weight == 0 || staged(state.live.other()));
    for window in Temporary::ALL
        .into_iter()
        .filter_map(|what| shifting.window(what))
    {
        assert!(window.over || staged(window.to), "{state:#?}");
    }

    let other = state.environment(state.live.other());
    assert_eq!(
        other.role == Role::Empty,
        other.deployment.is_none(),
        "{state:#?}"
    );
    assert!(!state.environment(state.live).rolled_back);
    for colour in Colour::BOTH {
        if let Some(deployment) = &state.environment(colour).deployment {
            assert!(deployment.number >= 1 && deployment.number <= state.deployments);
            // "introduced <= revision": nobody waits for a revision that is not there.
            assert!(deployment.introduced.0 >= 1 && deployment.introduced.0 <= revision);
            assert_eq!(
                deployment.addresses.is_empty(),
                deployment.endpoints.is_empty()
            );
        }
    }
}

fn may_replace(event: &Event) -> bool {
    matches!(
        event,
        Event::Apply {
            replace_standby: true,
            ..
        } | Event::Deploy {
            replace_standby: true,
            ..
        } | Event::Scale {
            replace_standby: true,
            ..
        } | Event::Retire { .. }
    )
}

/// What holds between a state and the next.
fn check_step(before: &ServiceState, event: &Event, after: &ServiceState) {
    // "Deployment numbers only grow", by one per new deployment.
    assert!(after.deployments >= before.deployments);
    let releases =
        |state: &ServiceState| state.release.as_ref().map_or(0, |release| release.number);
    assert!(releases(after) == releases(before) || releases(after) == releases(before) + 1);
    // Traffic moves by switch and rollback only.
    if after.live != before.live {
        assert!(
            matches!(event, Event::Switch { .. } | Event::Rollback),
            "{event:?}"
        );
    }
    let other = before.live.other();
    let (was, is) = (before.environment(other), after.environment(other));
    if was.role == Role::Standby {
        // "A switch never flips back": to the standby only by its name.
        if matches!(event, Event::Switch { to: None, .. }) {
            assert_eq!(after.live, before.live);
        }
        // "The standby is never replaced", nor emptied, without the operator's word.
        if !may_replace(event) {
            let numbers = [was, is].map(|e| e.deployment.as_ref().map(|d| d.number));
            assert_eq!(numbers[0], numbers[1], "{event:?}");
            let emptied = |e: &Environment| {
                e.deployment
                    .as_ref()
                    .is_some_and(|d| d.endpoints.is_empty())
            };
            assert!(!emptied(is) || emptied(was), "{event:?}");
        }
    }
    // "What is live is never replaced in place", nor emptied without force.
    let live = [before, after].map(|state| state.environment(before.live).deployment.as_ref());
    if let [Some(was), Some(is)] = live {
        assert_eq!((was.number, &was.version), (is.number, &is.version));
        let forced = matches!(
            event,
            Event::Apply { force: true, .. } | Event::Scale { force: true, .. }
        );
        let scaled_as_standby = before.live != after.live;
        assert!(
            !is.endpoints.is_empty() || was.endpoints.is_empty() || forced || scaled_as_standby
        );
    }
    // "introduced" follows the addresses: the same set of the same deployment was introduced in the same revision.
    for colour in Colour::BOTH {
        let both = [before, after].map(|state| state.environment(colour).deployment.as_ref());
        if let [Some(was), Some(is)] = both
            && was.number == is.number
        {
            let set = |d: &Deployment| d.addresses.iter().copied().collect::<BTreeSet<_>>();
            assert_eq!(
                set(was) == set(is),
                was.introduced == is.introduced,
                "{event:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// All the invariants of states and steps; and a refusal changes nothing, an unchanged step nothing either.
    #[test]
    fn invariants_hold_under_any_schedule(start in starts(), turns in turns()) {
        let mut state = start;
        let mut revision = 1;
        check_state(&state, revision);
        for (next, answers) in &turns {
            let event = event(next, &state);
            let context = answering(revision + 1, answers);
            let before = state.clone();
            match step(&state, &event, &context) {
                Err(refusal) => {
                    prop_assert!(!refusal.message.contains('\n') && !refusal.remedy.contains('\n'));
                    prop_assert!(!refusal.remedy.is_empty());
                    prop_assert_eq!(&state, &before);
                }
                Ok(step) => {
                    prop_assert_eq!(step.changed, step.state != before);
                    prop_assert!(step.settled_in.is_none_or(|settled| !step.changed && settled.0 <= revision));
                    if step.changed {
                        revision += 1;
                    }
                    check_step(&before, &event, &step.state);
                    check_state(&step.state, revision);
                    state = step.state;
                }
            }
        }
    }

    /// "Repeating is safe": what was done and is done again at once changes nothing, or is refused (a plain
    /// switch whose target has become the standby, a rollback that took a share back and finds no release).
    #[test]
    fn a_step_repeated_changes_nothing(start in starts(), turns in turns()) {
        let mut state = start;
        for (revision, (next, answers)) in turns.iter().enumerate() {
            let event = event(next, &state);
            let context = answering(revision as u64 + 2, answers);
            let Ok(done) = step(&state, &event, &context) else { continue };
            match step(&done.state, &event, &context) {
                Ok(again) => prop_assert!(!again.changed, "{:?}: {}", event, again.what),
                Err(_) => {
                    let took_back = event == Event::Rollback && state.shifting.weight > 0;
                    prop_assert!(took_back || matches!(event, Event::Switch { to: None, .. }), "{:?}", event);
                }
            }
            state = done.state;
        }
    }

    /// "Always a way back": right after a switch away from a deployment that has endpoints, `rollback` makes live
    /// exactly the deployment that was live before, whatever else was refused or scaled meanwhile; and a second
    /// rollback is the first one.
    #[test]
    fn rollback_restores_the_deployment_before(start in starts(), turns in turns()) {
        let mut state = start;
        for (revision, (next, answers)) in turns.iter().enumerate() {
            let revision = revision as u64 + 2;
            let event = event(next, &state);
            let Ok(done) = step(&state, &event, &answering(revision, answers)) else { continue };
            let before = std::mem::replace(&mut state, done.state);
            let was_live = before.environment(before.live).deployment.as_ref();
            let (Some(was_live), Event::Switch { .. }, true) = (was_live, &event, done.changed) else { continue };
            if was_live.endpoints.is_empty() {
                continue;
            }
            // No name resolves: the way back must not need a name server.
            let back = step(&state, &Event::Rollback, &answering(revision + 1, &[])).unwrap();
            prop_assert_eq!(back.state.live, before.live);
            prop_assert_eq!(back.state.environment(before.live).deployment.as_ref(), Some(was_live));
            prop_assert!(back.state.environment(before.live.other()).rolled_back);
            let moved = back.moved.clone().unwrap();
            prop_assert_eq!((moved.from, moved.to), (before.live.other(), before.live));

            let again = step(&back.state, &Event::Rollback, &answering(revision + 2, &[])).unwrap();
            prop_assert!(!again.changed);
            prop_assert_eq!(again.moved, back.moved);
            prop_assert_eq!(again.settled_in.map(|settled| settled.0), Some(revision + 1));
        }
    }
}

/// A fleet of that one service.
fn fleet(state: &ServiceState) -> FleetState {
    FleetState {
        services: [(state.name.clone(), Arc::new(state.clone()))].into(),
        ..FleetState::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A fleet goes back to any of its states: roles and deployments are those of then, "deployment numbers never
    /// go back", no release is left that could be rolled back to something else, and twice is the same as once.
    #[test]
    fn a_fleet_goes_back_to_any_revision(
        start in starts(),
        turns in turns(),
        back_to in any::<prop::sample::Index>(),
        exact in any::<bool>(),
    ) {
        let mut states = vec![start];
        for (next, answers) in &turns {
            let now = &states[states.len() - 1];
            let event = event(next, now);
            let revision = states.len() as u64;
            if let Ok(done) = step(now, &event, &answering(revision + 1, answers)) && done.changed {
                states.push(done.state);
            }
        }
        let revision = states.len() as u64 + 1;
        let (now, then) = (&states[states.len() - 1], &states[back_to.index(states.len())]);
        let context = answering(revision, &[]);
        let restored = restore(&fleet(now), &fleet(then), exact, &context);
        let service = &restored.state.services["s"];
        check_roles(service, revision);
        prop_assert_eq!(service.live, then.live);
        prop_assert_eq!(service.deployments, now.deployments.max(then.deployments));
        for colour in Colour::BOTH {
            let (is, was) = (service.environment(colour), then.environment(colour));
            let left = now.environment(colour);
            if was.role == Role::Empty && is.role == Role::Staged {
                // What had traffic until now keeps its endpoints, and nothing else does.
                prop_assert!(!exact && is.rolled_back);
                prop_assert!(now.split().weight(colour) > 0 || left.rolled_back);
                prop_assert_eq!(&is.deployment, &left.deployment);
                continue;
            }
            let endpoints = |e: &Environment| {
                e.deployment.as_ref().is_some_and(|it| !it.endpoints.is_empty())
            };
            let loses = now.split().weight(colour) > 0 && endpoints(left) && was.role == Role::Empty;
            prop_assert!(exact || !loses, "emptied under its requests");
            prop_assert_eq!(is.role, was.role);
            let label = |e: &Environment| e.deployment.as_ref().map(|d| (d.number, d.version.clone()));
            prop_assert_eq!(label(is), label(was));
            if exact {
                let endpoints = |e: &Environment| e.deployment.as_ref().map(|d| d.endpoints.clone());
                prop_assert_eq!(endpoints(is), endpoints(was));
            }
        }
        let twice = restore(&restored.state, &fleet(then), exact, &context);
        prop_assert!(!twice.changed);

        // A release that could be rolled back then, and is still the last one, can be rolled back again.
        let number = |state: &ServiceState| state.release.as_ref().map(|release| release.number);
        let phase = |state: &ServiceState| state.release.as_ref().map(|release| release.phase);
        let rolled_back = phase(now) == Some(Phase::RolledBack);
        if phase(then) == Some(Phase::Switched) && number(then) == number(now) && !rolled_back {
            check_state(service, revision);
        }
        // What can be rolled back is the release that can be seen, and nothing else.
        // But a share of the traffic that has no release yet: that goes back first.
        if let Ok(back) = step(service, &Event::Rollback, &answering(revision + 1, &[]))
            && service.shifting.weight == 0
        {
            let release = service.release.as_ref().unwrap();
            prop_assert_eq!(back.state.live, release.from);
            let live = back.state.environment(release.from).deployment.as_ref();
            prop_assert_eq!(live.map(|d| d.number), Some(release.from_deployment));
        }
    }
}

#[test]
fn an_environment_is_as_declared() {
    // The generators above must reach what they are about: a service with both environments is one of the starts.
    let both = spec(
        Some(environment("v1", &["10.0.0.1:80"])),
        Some(environment("v2", &["10.0.0.2:80"])),
        Colour::Green,
    );
    let made = create(
        name("s"),
        serde_json::Value::Null,
        both.clone(),
        &context(1),
    )
    .unwrap();
    assert_eq!(made.state.in_force(), both);
    check_state(&made.state, 1);
}
