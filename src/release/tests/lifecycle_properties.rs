//! The named invariants of a release, under random schedules of operators, hooks, analyses, proxies, time and stale news.

use std::time::Duration;

use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    Story, context, deploy, insist,
    lifecycle::{release, usual, whole, with},
    retire, scale,
};
use crate::{
    model::{Colour, Promotion, ReleaseSpec, check::Phase as CheckPhase},
    release::{
        ClockKey, Context, Effect, EffectKind, Event, InUse, Role, RolloutPhase, ServiceState,
        Signal, SignalKind, Verb, step,
    },
};

/// What happens next; what it is exactly depends on the state at its turn.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Event(Box<Event>),
    Hook(bool),
    Analysed(CheckPhase),
    Delivered,
    Silent,
    Elapsed(u64),
    Held,
    Rejected,
    /// The server gives itself what it wants to.
    Commanded,
    /// News of another release, run, push or effect than is waited for.
    Stale(u8),
}

pub(super) fn specs() -> impl Strategy<Value = Option<ReleaseSpec>> {
    let mut canary = whole();
    canary.hooks = Default::default();
    let mut manual = whole();
    manual.promotion = Promotion::Manual;
    select(vec![
        None,
        Some(whole()),
        Some(usual()),
        Some(canary),
        Some(manual),
    ])
}

pub(super) fn nexts() -> impl Strategy<Value = Next> {
    let event = |event: Event| Just(Next::Event(Box::new(event)));
    let phases = [
        CheckPhase::Successful,
        CheckPhase::Successful,
        CheckPhase::Failed,
        CheckPhase::Error,
        CheckPhase::Inconclusive,
        CheckPhase::Running,
    ];
    let switch =
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(to, force, skip_gates)| {
            Next::Event(Box::new(Event::Switch {
                to: to.then_some(Colour::Green),
                force: force && skip_gates,
                skip_gates,
            }))
        });
    let in_use = (any::<[bool; 3]>(), 0u64..3).prop_map(|([force, routed, unheard], open)| {
        let some = |is_so: bool| is_so.then(|| "1 of 2".to_owned());
        Next::Event(Box::new(Event::Retire {
            force,
            in_use: InUse {
                routed: some(routed),
                open,
                unheard: some(unheard),
            },
        }))
    });
    prop_oneof![
        2 => event(release("v1.3", &["10.0.0.2:80"])),
        1 => event(release("v1.4", &["10.0.0.4:80"])),
        1 => event(insist_release()),
        1 => event(deploy("v1.5", &["10.0.0.5:80"])),
        1 => event(scale(Colour::Green, &["10.0.0.2:80", "10.0.0.3:80"])),
        1 => event(scale(Colour::Blue, &["10.0.0.7:80"])),
        1 => event(insist(scale(Colour::Blue, &[]))),
        1 => event(Event::Steer(Verb::Validate)),
        3 => switch,
        1 => event(Event::Steer(Verb::Pause)),
        2 => event(Event::Steer(Verb::Resume)),
        1 => event(Event::Steer(Verb::SkipMonitors)),
        1 => event(Event::Steer(Verb::Abort)),
        2 => event(Event::Steer(Verb::Retry)),
        1 => event(Event::Rollback),
        1 => in_use,
        1 => event(Event::Steer(Verb::Extend { by: Duration::from_secs(60) })),
        1 => event(Event::Resolved),
        5 => prop_oneof![4 => Just(true), 1 => Just(false)].prop_map(Next::Hook),
        9 => select(phases.to_vec()).prop_map(Next::Analysed),
        9 => Just(Next::Delivered),
        1 => Just(Next::Silent),
        1 => Just(Next::Rejected),
        6 => (0u64..3_000).prop_map(Next::Elapsed),
        1 => Just(Next::Held),
        6 => Just(Next::Commanded),
        3 => any::<u8>().prop_map(Next::Stale),
    ]
}

pub(super) fn insist_release() -> Event {
    match release("v1.6", &["10.0.0.6:80"]) {
        Event::Release {
            version,
            endpoints,
            promotion,
            ..
        } => Event::Release {
            version,
            endpoints,
            promotion,
            replace_standby: true,
        },
        other => other,
    }
}

/// The event, if there is anything that it could be about.
pub(super) fn event(next: &Next, state: &ServiceState) -> Option<Event> {
    let rollout = state.rollout.as_deref();
    let signal = |kind| {
        Some(Event::Signal(Signal {
            release: rollout?.number,
            kind,
        }))
    };
    let open = |which: fn(&EffectKind) -> bool| state.outbox.iter().find(|it| which(&it.kind));
    match next {
        Next::Event(event) => Some(Event::clone(event)),
        Next::Hook(yes) => {
            let call = open(|kind| matches!(kind, EffectKind::CallHook { .. }))?;
            Some(Event::Signal(Signal {
                release: call.release,
                kind: SignalKind::HookAnswered {
                    effect: call.id,
                    yes: *yes,
                    detail: String::new(),
                    endpoints: Vec::new(),
                },
            }))
        }
        Next::Analysed(phase) => signal(SignalKind::AnalysisEnded {
            analysis: rollout?.analysis?,
            phase: *phase,
            reason: "so it was".to_owned(),
        }),
        Next::Delivered => signal(SignalKind::Delivered {
            revision: rollout?.pushed?,
            lacking: String::new(),
        }),
        Next::Silent => signal(SignalKind::Silent {
            reason: "gone".to_owned(),
        }),
        Next::Rejected => signal(SignalKind::Rejected {
            revision: rollout?.moved_in?,
            reason: "rejected".to_owned(),
        }),
        Next::Elapsed(seconds) => signal(SignalKind::Elapsed {
            of: ClockKey::of(rollout?),
            time: Duration::from_secs(*seconds),
        }),
        Next::Held => signal(SignalKind::Held {
            effect: open(|kind| matches!(kind, EffectKind::Promote | EffectKind::Retire))?.id,
            reason: "held".to_owned(),
        }),
        Next::Commanded => {
            match open(|kind| matches!(kind, EffectKind::Promote | EffectKind::Retire))?.kind {
                EffectKind::Promote => Some(super::switch(None)),
                _ => Some(retire()),
            }
        }
        Next::Stale(which) => Some(stale(*which, state)),
    }
}

/// News that nothing waits for.
fn stale(which: u8, state: &ServiceState) -> Event {
    let (number, analysis) = state
        .rollout
        .as_deref()
        .map_or((1, 1), |it| (it.number, it.analyses));
    let other_release = which & 1 == 0;
    let release = if other_release { number + 1 } else { number };
    let kind = match which / 2 % 5 {
        0 => SignalKind::HookAnswered {
            effect: state.effects + 1,
            yes: true,
            detail: String::new(),
            endpoints: Vec::new(),
        },
        1 => SignalKind::AnalysisEnded {
            analysis: if other_release {
                analysis
            } else {
                analysis + 1
            },
            phase: CheckPhase::Successful,
            reason: String::new(),
        },
        2 if other_release => SignalKind::Silent {
            reason: String::new(),
        },
        3 => SignalKind::Elapsed {
            // Of another release, or of time that is stored already.
            of: ClockKey {
                release,
                phase: state
                    .rollout
                    .as_deref()
                    .map_or(RolloutPhase::Staged, |it| it.phase),
                step: state.rollout.as_deref().map_or(0, |it| it.step),
                stored_ms: u64::MAX,
            },
            time: Duration::from_secs(1_000_000),
        },
        4 => SignalKind::Held {
            effect: state.effects + 1,
            reason: String::new(),
        },
        _ => SignalKind::Delivered {
            revision: crate::model::Revision(0),
            lacking: String::new(),
        },
    };
    Event::Signal(Signal { release, kind })
}

pub(super) fn at(revision: u64, jump: i64) -> Context {
    Context {
        now: Timestamp::from_second(jump).unwrap(),
        actor: "alice".to_owned(),
        events: true,
        ..context(revision)
    }
}

/// What holds in every state.
pub(super) fn check_state(state: &ServiceState) {
    let split = state.split();
    assert_eq!(split.blue + split.green, 100, "weights sum to 100");
    let mut ids: Vec<u64> = state.outbox.iter().map(|effect| effect.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), state.outbox.len(), "an effect's id is used once");
    assert!(ids.iter().all(|id| *id <= state.effects));
    let Some(rollout) = state.rollout.as_deref() else {
        assert_eq!(split.weight(state.live), 100);
        return;
    };
    assert!(
        !rollout.reason.is_empty() && !rollout.reason.contains('\n'),
        "{rollout:#?}"
    );
    assert_eq!(
        rollout.phase == RolloutPhase::Paused,
        rollout.resume.is_some()
    );
    // "Weights match the phase."
    let standing = rollout.standing();
    let spec = rollout.spec.clone().unwrap_or_default();
    if standing == RolloutPhase::Shifting {
        let share = spec.steps()[rollout.step].weight;
        assert_eq!(split.weight(rollout.to.colour), share);
        assert_ne!(state.live, rollout.to.colour);
    } else {
        assert_eq!(split.weight(state.live), 100, "{rollout:#?}");
    }
    // What the record says of the share is what the proxies have, also while it is paused.
    if !rollout.is_over() {
        let share = split.weight(rollout.to.colour);
        let noted = rollout.log.last().map(|entry| entry.weight);
        assert_eq!(noted, Some(share), "{rollout:#?}");
    }
    let mirrored = state.shifting.shadow.as_ref().filter(|it| !it.window.over);
    let percent = mirrored.map(|it| it.percent);
    let declared = spec.shadow.filter(|_| standing == RolloutPhase::Shadowing);
    assert_eq!(percent, declared.map(|it| it.percent));
    if matches!(
        standing,
        RolloutPhase::Switching
            | RolloutPhase::Baking
            | RolloutPhase::Standby
            | RolloutPhase::Retiring
    ) {
        assert_eq!(state.live, rollout.to.colour);
    }
    if standing.is_before_traffic() {
        assert_ne!(state.live, rollout.to.colour);
    }
    // An analysis that runs is in the outbox, and only that one.
    let open = state.outbox.iter().filter_map(|effect| match effect.kind {
        EffectKind::Analyse { analysis, .. } => Some((effect.release, analysis)),
        _ => None,
    });
    let running = rollout.analysis.map(|analysis| (rollout.number, analysis));
    assert_eq!(open.collect::<Vec<_>>(), Vec::from_iter(running));
    // Of releases before, nothing is done that could move traffic.
    let of_before = |effect: &&Effect| effect.release != rollout.number;
    let mut of_before = state.outbox.iter().filter(of_before);
    assert!(!of_before.any(|it| matches!(it.kind, EffectKind::Promote | EffectKind::Retire)));
}

/// What holds between a state and the next.
fn check_step(before: &ServiceState, event: &Event, after: &ServiceState) {
    let (old, new) = (before.rollout.as_deref(), after.rollout.as_deref());
    let number = |state: Option<&crate::release::Rollout>| state.map_or(0, |it| it.number);
    assert!(number(new) == number(old) || number(new) == number(old) + 1);
    let same = number(new) == number(old);

    // "No switch without a passed validation of exactly this deployment and endpoints, or a recorded waiver."
    let to = |state: &ServiceState, colour| state.split().weight(colour);
    if let Some(new) = new
        && to(after, new.to.colour) > to(before, new.to.colour)
    {
        let declared = after
            .environment(new.to.colour)
            .deployment
            .as_ref()
            .unwrap();
        let mut endpoints = declared.endpoints.clone();
        endpoints.sort();
        let passed = new
            .validated
            .as_ref()
            .is_some_and(|it| it.deployment == declared.number && it.endpoints == endpoints);
        let gates = new
            .spec
            .as_ref()
            .is_some_and(|spec| !spec.validation.is_empty());
        let waived = new.waived.iter().any(|name| name == "gates-not-passed");
        let went_back = matches!(
            new.phase,
            RolloutPhase::RollingBack | RolloutPhase::RolledBack
        );
        assert!(
            passed || !gates || waived || went_back,
            "{event:?} {new:#?}"
        );
    }
    // "No retirement before the standby has ended and while traffic or streams remain."
    let standby = before.live.other();
    if before.environment(standby).role == Role::Standby
        && after.environment(standby).role == Role::Empty
    {
        let Event::Retire { force, in_use } = event else {
            panic!("{event:?} took the standby away");
        };
        if !force {
            assert_eq!(in_use, &InUse::default());
            let declared = old.is_some_and(|old| old.spec.is_some() && !old.is_over());
            assert!(!declared || old.unwrap().standing() == RolloutPhase::Retiring);
        }
    }
    if let (Some(old), Some(new), true) = (old, new, same) {
        if new.phase == RolloutPhase::Retiring && old.phase == RolloutPhase::Standby {
            let Event::Signal(Signal {
                kind: SignalKind::Elapsed { time, .. },
                ..
            }) = event
            else {
                panic!("{event:?}");
            };
            let mut clock = old.clock;
            clock.add(*time);
            assert!(clock.is_over());
        }
        // Gates pass by an analysis that has ended, and by nothing else.
        if new.validated.is_some() && old.validated != new.validated {
            let ended = matches!(
                event,
                Event::Signal(Signal {
                    kind: SignalKind::AnalysisEnded {
                        phase: CheckPhase::Successful,
                        ..
                    },
                    ..
                })
            );
            let gates = new
                .spec
                .as_ref()
                .is_some_and(|spec| !spec.validation.is_empty());
            assert!(ended || !gates, "{event:?}");
        }
        // "At most one automatic rollback per release."
        assert!(!old.rolled_back_by_server || new.rolled_back_by_server);
        let by_itself = matches!(event, Event::Signal(_))
            && new.phase == RolloutPhase::RollingBack
            && old.phase != RolloutPhase::RollingBack;
        assert!(!(by_itself && old.rolled_back_by_server), "{event:?}");
    }
}

/// "A rollback is possible as long as the deployment gone back to has endpoints, and needs nothing else."
fn check_way_back(state: &ServiceState, revision: u64) {
    let Some(rollout) = state.rollout.as_deref() else {
        return;
    };
    let Some(from) = &rollout.from else { return };
    let has_traffic = matches!(
        rollout.standing(),
        RolloutPhase::Shifting
            | RolloutPhase::Switching
            | RolloutPhase::Baking
            | RolloutPhase::Standby
            | RolloutPhase::Retiring
    );
    let there = state
        .environment(from.colour)
        .deployment
        .as_ref()
        .is_some_and(|it| it.number == from.deployment && !it.is_unreachable());
    if !has_traffic || !there {
        return;
    }
    let nothing = Context {
        revision: crate::model::Revision(revision + 1),
        ..Context::default()
    };
    let back = step(state, &Event::Rollback, &nothing).unwrap();
    assert_eq!(back.state.split().weight(from.colour), 100);
    assert!(back.state.environment(rollout.to.colour).rolled_back);
}

pub(super) fn start(spec: Option<ReleaseSpec>) -> Story {
    match spec {
        Some(spec) => with(spec),
        None => Story::one(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn invariants_of_a_release_hold_under_any_schedule(spec in specs(), nexts in vec(nexts(), 1..60)) {
        let Story { mut state, mut revision } = start(spec);
        for next in &nexts {
            let Some(event) = event(next, &state) else { continue };
            let before = state.clone();
            match step(&state, &event, &at(revision + 1, 0)) {
                Err(refusal) => {
                    prop_assert!(!refusal.message.contains('\n') && !refusal.remedy.is_empty());
                    let internal = matches!(event, Event::Signal(_));
                    prop_assert!(!internal, "{event:?} was refused: {refusal}");
                }
                Ok(done) => {
                    // "A stale event changes nothing."
                    if matches!(next, Next::Stale(_)) {
                        prop_assert!(!done.changed, "{:?}", event);
                    }
                    revision += u64::from(done.changed);
                    state = done.state;
                    check_step(&before, &event, &state);
                    check_state(&state);
                    check_way_back(&state, revision);
                }
            }
        }
    }

    /// "A clock that jumps changes nothing": the same schedule under any times of day comes to the same.
    #[test]
    fn the_time_of_day_decides_nothing(
        spec in specs(),
        nexts in vec((nexts(), -1_000_000_000i64..1_000_000_000), 1..40),
    ) {
        let Story { state, mut revision } = start(spec);
        let (mut steady, mut jumping) = (state.clone(), state);
        for (next, jump) in &nexts {
            let Some(event) = event(next, &steady) else { continue };
            let both = (
                step(&steady, &event, &at(revision + 1, 0)),
                step(&jumping, &event, &at(revision + 1, *jump)),
            );
            let (Ok(a), Ok(b)) = both else {
                prop_assert!(both.0.is_err() && both.1.is_err());
                continue;
            };
            prop_assert_eq!(a.changed, b.changed);
            revision += u64::from(a.changed);
            (steady, jumping) = (a.state, b.state);
            prop_assert_eq!(steady.split(), jumping.split());
            let stands = |state: &ServiceState| {
                state.rollout.as_deref().map(|it| (it.number, it.phase, it.clock, it.step, it.reason.clone()))
            };
            prop_assert_eq!(stands(&steady), stands(&jumping));
        }
    }
}
