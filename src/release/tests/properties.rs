//! The named invariants, under random schedules of events.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{apply, context, endpoints, environment, name, spec};
use crate::{
    model::{Colour, Endpoint, EnvironmentSpec},
    release::{Context, Event, Phase, Role, ServiceState, create, step},
};

/// What an operator, or the world, does next. Documents are made when their turn comes, from what is in force.
#[derive(Clone, Debug)]
enum Move {
    Event(Event),
    Document {
        blue: Option<Option<EnvironmentSpec>>,
        green: Option<Option<EnvironmentSpec>>,
        insist: bool,
    },
}

/// A move, and what the host names resolve to when it is made.
type Turn = (Move, Vec<(&'static str, Vec<u8>)>);

fn colours() -> impl Strategy<Value = Colour> {
    select(Colour::BOTH.to_vec())
}

fn hosts() -> impl Strategy<Value = Vec<Endpoint>> {
    vec(
        select(vec![
            "10.0.0.1:80",
            "10.0.0.2:80",
            "10.0.0.3:81",
            "a.test:80",
            "b.test:80",
        ]),
        0..4,
    )
    .prop_map(|texts| endpoints(&texts))
}

fn versions() -> impl Strategy<Value = String> {
    select(vec!["v1", "v2", "v3"]).prop_map(str::to_owned)
}

fn environments() -> impl Strategy<Value = EnvironmentSpec> {
    (versions(), hosts()).prop_map(|(version, endpoints)| EnvironmentSpec { version, endpoints })
}

fn moves() -> impl Strategy<Value = Move> {
    let deploy =
        (versions(), hosts(), any::<bool>()).prop_map(|(version, endpoints, replace_standby)| {
            Event::Deploy {
                version,
                endpoints,
                replace_standby,
            }
        });
    let scale = (colours(), hosts(), any::<bool>(), any::<bool>()).prop_map(
        |(colour, endpoints, replace_standby, force)| Event::Scale {
            colour,
            endpoints,
            replace_standby,
            force,
        },
    );
    let switch =
        (option::of(colours()), any::<bool>()).prop_map(|(to, force)| Event::Switch { to, force });
    let document = (
        option::of(option::of(environments())),
        option::of(option::of(environments())),
        any::<bool>(),
    )
        .prop_map(|(blue, green, insist)| Move::Document {
            blue,
            green,
            insist,
        });
    prop_oneof![
        3 => deploy.prop_map(Move::Event),
        2 => scale.prop_map(Move::Event),
        4 => switch.prop_map(Move::Event),
        2 => Just(Move::Event(Event::Rollback)),
        1 => Just(Move::Event(Event::Retire)),
        1 => Just(Move::Event(Event::Resolved)),
        2 => document,
    ]
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let answers =
        ["a.test", "b.test"].map(|host| vec(0u8..3, 0..3).prop_map(move |ips| (host, ips)));
    let [a, b] = answers;
    vec((moves(), (a, b).prop_map(|(a, b)| vec![a, b])), 1..40)
}

fn starts() -> impl Strategy<Value = ServiceState> {
    (
        option::of(environments()),
        option::of(environments()),
        colours(),
    )
        .prop_filter_map("refused", |(blue, green, live)| {
            let spec = spec(blue, green, live);
            create(name("s"), serde_json::Value::Null, spec, &answering(1, &[]))
                .ok()
                .map(|made| made.state)
        })
}

fn answering(revision: u64, answers: &[(&'static str, Vec<u8>)]) -> Context {
    let mut context = context(revision);
    context.addresses = answers
        .iter()
        .map(|(host, ips)| {
            (
                (*host).to_owned(),
                ips.iter().map(|ip| [10, 9, 0, *ip].into()).collect(),
            )
        })
        .collect();
    context
}

fn event(next: &Move, state: &ServiceState) -> Event {
    match next {
        Move::Event(event) => event.clone(),
        Move::Document {
            blue,
            green,
            insist,
        } => {
            let mut spec = state.in_force();
            for (colour, changed) in [(Colour::Blue, blue), (Colour::Green, green)] {
                if let Some(environment) = changed {
                    spec.environments.set(colour, environment.clone());
                }
            }
            if *insist {
                super::insist(apply(spec))
            } else {
                apply(spec)
            }
        }
    }
}

/// What holds in every state.
fn check_state(state: &ServiceState, revision: u64) {
    // "Exactly one environment is live", and it is the one that has all the traffic.
    let live = Colour::BOTH.map(|colour| state.environment(colour).role == Role::Live);
    assert_eq!(live.iter().filter(|live| **live).count(), 1, "{state:#?}");
    assert_eq!(state.environment(state.live).role, Role::Live);
    let split = state.split();
    assert_eq!(
        (split.weight(state.live), split.blue + split.green),
        (100, 100)
    );

    let other = state.environment(state.live.other());
    assert_eq!(
        other.role == Role::Empty,
        other.deployment.is_none(),
        "{state:#?}"
    );
    // A standby is there for exactly as long as there is a release to roll back.
    let switched = state
        .release
        .as_ref()
        .is_some_and(|release| release.phase == Phase::Switched);
    assert_eq!(other.role == Role::Standby, switched, "{state:#?}");
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
        } | Event::Retire
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
            let emptied = |e: &crate::release::Environment| {
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
            let set = |d: &crate::release::Deployment| {
                d.addresses
                    .iter()
                    .copied()
                    .collect::<std::collections::BTreeSet<_>>()
            };
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
    /// switch whose target has become the standby).
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
                    let plain_switch = matches!(event, Event::Switch { to: None, .. });
                    prop_assert!(plain_switch || deploys_into_live(&event, &done.state), "{:?}", event);
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

/// The step is a rollback or a document that can't be repeated; there is none but a deployment that went live.
fn deploys_into_live(event: &Event, state: &ServiceState) -> bool {
    matches!(event, Event::Deploy { .. }) && state.environment(state.live).deployment.is_none()
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
