//! A fleet goes back to one of its earlier revisions.

use std::sync::Arc;

use super::{
    Context, Deployment, Effect, EffectKind, Environment, FleetState, Notice, Phase, Release, Role,
    Rollout, RolloutPhase, ServiceState, Temporary,
};
use crate::model::{Colour, Name};

/// A fleet as it would be after going back.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// What to commit.
    pub state: FleetState,
    /// False: the fleet is so already.
    pub changed: bool,
    /// Services of now that did not exist then; the operator must agree to that.
    pub vanishing: Vec<Name>,
    /// Services of then that do not exist now. Their names may have been given away in another fleet meanwhile.
    pub returning: Vec<Name>,
    /// What the operator should know.
    pub notices: Vec<Notice>,
}

/// Declarations, roles and Envoy resources of `then`; what the fleet has learned since stays.
///
/// - Endpoints of deployments that still exist are those of now, because the hosts of then may be gone. With `exact`
///   they are those of then.
/// - Named invariant: **deployment numbers never go back**, so that a number always stands for one deployment.
/// - Named invariant: **release numbers never go back** either, also where the service was deleted since.
/// - Releases are not restored. A release of a service whose traffic or deployments move is ended: there is no
///   rolling back of it afterwards. A service that is as it was then keeps its release, and its way back; so does
///   one whose standby was given up since and is back.
/// - Named invariant: **weights match the phase**. The share, the mirror and the gates' preview that a release of then had are its
///   own: nobody would watch them now, so they are restored only with a release that is at the same step today. Those of an
///   operator come back.
/// - A deployment that was rolled back since is still marked so, unless it is live again.
/// - An environment that was empty then, and has traffic now, is not emptied: proxies get endpoints before routes, and requests
///   would find none for as long as that takes. What is in it stays, without traffic, as after a rollback.
pub fn restore(now: &FleetState, then: &FleetState, exact: bool, context: &Context) -> Restored {
    let mut notices = Vec::new();
    let mut services = std::collections::BTreeMap::new();
    for (name, old) in &then.services {
        let present = now.services.get(name).map(Arc::as_ref);
        let restored = restore_service(present, old, exact, context, &mut notices);
        let entry = match now.services.get(name) {
            Some(present) if **present == restored => Arc::clone(present),
            _ => Arc::new(restored),
        };
        services.insert(name.clone(), entry);
    }
    let only_in = |these: &FleetState, others: &FleetState| -> Vec<Name> {
        let missing = |name: &&Name| !others.services.contains_key(*name);
        these.services.keys().filter(missing).cloned().collect()
    };
    let state = FleetState {
        services,
        resources: then.resources.clone(),
        groups: then.groups.clone(),
    };
    Restored {
        changed: state != *now,
        vanishing: only_in(now, then),
        returning: only_in(then, now),
        state,
        notices,
    }
}

fn restore_service(
    now: Option<&ServiceState>,
    then: &ServiceState,
    exact: bool,
    context: &Context,
    notices: &mut Vec<Notice>,
) -> ServiceState {
    let mut service = ServiceState {
        deployments: then.deployments.max(now.map_or(0, |now| now.deployments)),
        release: None,
        rollout: None,
        outbox: Vec::new(),
        ..then.clone()
    };
    for colour in Colour::BOTH {
        let present = now.map(|now| now.environment(colour));
        let mut notice = |kind, text: String| {
            notices.push(Notice {
                kind,
                text: format!("{}: {text}", then.name),
            });
        };
        restore_environment(
            service.environment_mut(colour),
            colour,
            present,
            exact,
            context,
            &mut notice,
        );
    }
    service.release = now.and_then(|now| restore_release(now, then, &service, notices));
    if !now.is_some_and(|now| is_at_the_same_step(now, then, &service)) {
        give_back(&mut service, notices, then);
    }
    if let Some(now) = now.filter(|_| !exact) {
        keep_under_requests(&mut service, now, notices);
    }
    (service.rollout, service.outbox) = match now {
        Some(now) => restore_rollout(now, &service, context, notices),
        None => (None, Vec::new()),
    };
    service.effects = now.map_or(then.effects, |now| now.effects.max(then.effects));
    service.releases_before = match now {
        Some(now) => now.releases_before,
        None => {
            let known = context.released.get(&then.name).copied();
            (then.next_release() - 1).max(known.unwrap_or_default())
        }
    };
    if context.events {
        tell_of_end(&mut service, now);
    }
    service
}

/// Leaves in its environment what loses its traffic and would be taken away with it; and what was left so before.
fn keep_under_requests(service: &mut ServiceState, now: &ServiceState, notices: &mut Vec<Notice>) {
    for colour in Colour::BOTH {
        let present = now.environment(colour);
        let in_use = now.split().weight(colour) > 0;
        let Some(deployment) = &present.deployment else {
            continue;
        };
        if service.environment(colour).role != Role::Empty || !(in_use || present.rolled_back) {
            continue;
        }
        notices.push(Notice {
            kind: "not-emptied",
            text: format!(
                "{}: {colour} was empty then; {} (deployment {}) stays in it without traffic, so that no request fails",
                now.name, deployment.version, deployment.number
            ),
        });
        *service.environment_mut(colour) = Environment {
            role: Role::Staged,
            deployment: Some(deployment.clone()),
            rolled_back: true,
        };
    }
}

/// Whoever listens to a release hears that going back has brought it into another phase.
fn tell_of_end(service: &mut ServiceState, now: Option<&ServiceState>) {
    let before = now.and_then(|now| now.rollout.as_deref());
    let (Some(rollout), Some(before)) = (service.rollout.as_deref(), before) else {
        return;
    };
    if rollout.phase != before.phase {
        let (at, phase, reason) = (rollout.since, rollout.phase, rollout.reason.clone());
        service.tell(at, phase, reason);
    }
}

/// The release of then is that of now, with the same traffic on the same deployments.
fn is_at_the_same_step(now: &ServiceState, then: &ServiceState, restored: &ServiceState) -> bool {
    let step = |state: &ServiceState| {
        let rollout = state.rollout.as_deref()?;
        Some((
            rollout.number,
            rollout.standing(),
            rollout.step,
            rollout.preview_in,
        ))
    };
    step(now) == step(then) && now.shifting == then.shifting && same_places(now, restored)
}

/// Takes from a service what a release of then had moved.
fn give_back(service: &mut ServiceState, notices: &mut Vec<Notice>, then: &ServiceState) {
    let Some(rollout) = then.rollout.as_deref() else {
        return;
    };
    let (name, version) = (&then.name, &rollout.to.version);
    let mut notice = |what: String| {
        notices.push(Notice {
            kind: "not-restored",
            text: format!(
                "{name}: release {} of {version} was on its way then: {what} restored, because nothing would watch it; \
                 release it again with `bluegreen validate {name}`",
                rollout.number
            ),
        });
    };
    match rollout.standing() {
        RolloutPhase::Shifting if service.shifting.weight > 0 => {
            notice(format!(
                "its {}% of the traffic are not",
                service.shifting.weight
            ));
            service.shifting.weight = 0;
        }
        RolloutPhase::Shadowing if service.shifting.shadow.is_some() => {
            notice("its mirror is not".to_owned());
            service.shifting.over(Temporary::Shadow);
        }
        _ => {}
    }
    let preview = service.shifting.window(Temporary::Preview);
    if rollout.preview_in.is_some() && preview.map(|it| it.started_in) == rollout.preview_in {
        service.shifting.over(Temporary::Preview);
    }
}

/// The newest release of now: one that is on its way is given up, unless all that it has done and is about to do is still
/// so. What it wanted done outside is given up with it.
fn restore_rollout(
    now: &ServiceState,
    restored: &ServiceState,
    context: &Context,
    notices: &mut Vec<Notice>,
) -> (Option<Box<Rollout>>, Vec<Effect>) {
    let mut outbox = now.outbox.clone();
    let Some(mut rollout) = now.rollout.clone() else {
        return (None, outbox);
    };
    let standing = rollout.standing();
    let moves = matches!(standing, RolloutPhase::Shadowing | RolloutPhase::Shifting)
        || rollout.preview_in.is_some();
    let stands = same_places(now, restored)
        && restored.release == now.release
        && (!moves || now.shifting == restored.shifting);
    let back = restored.release.as_ref().is_some_and(|release| {
        release.number == rollout.number && release.phase == Phase::Switched
    });
    let (phase, reason) = if stands {
        return (Some(rollout), outbox);
    } else if back {
        (
            RolloutPhase::Standby,
            "its fleet was rolled back to a revision that has its standby: it is kept until `bluegreen retire`",
        )
    } else if rollout.is_over() {
        return (Some(rollout), outbox);
    } else if restored
        .release
        .as_ref()
        .is_some_and(|it| it.number == rollout.number)
    {
        // That it can't be rolled back any more is said already.
        let phase = if has_all(restored, &rollout) {
            RolloutPhase::Completed
        } else {
            RolloutPhase::RolledBack
        };
        (phase, "its fleet was rolled back to an earlier revision")
    } else {
        notices.push(Notice {
            kind: "release-ended",
            text: format!(
                "{}: release {} of {} is given up",
                now.name, rollout.number, rollout.to.version
            ),
        });
        (
            RolloutPhase::Aborted,
            "its fleet was rolled back to an earlier revision",
        )
    };
    outbox.retain(|effect| {
        effect.release != rollout.number || matches!(effect.kind, EffectKind::SendEvent { .. })
    });
    let weight = if has_all(restored, &rollout) {
        100
    } else {
        restored.shifting.weight
    };
    rollout.end(phase, reason, weight, context);
    if rollout.moved_in.is_some() && now.split() != restored.split() {
        // The last push of its traffic: its record says who has accepted that one too.
        rollout.moved_in = Some(context.revision);
    }
    (Some(rollout), outbox)
}

/// What the release is of has all the traffic.
fn has_all(restored: &ServiceState, rollout: &Rollout) -> bool {
    let live = restored.environment(restored.live).deployment.as_ref();
    live.is_some_and(|it| (it.number, restored.live) == (rollout.to.deployment, rollout.to.colour))
}

/// The last release of now, as far as it still stands once the service is `restored`.
fn restore_release(
    now: &ServiceState,
    then: &ServiceState,
    restored: &ServiceState,
    notices: &mut Vec<Notice>,
) -> Option<Release> {
    let mut release = now.release.clone()?;
    // One that was rolled back since has been judged: it is not taken up again.
    let standby_is_back = then.release.as_ref().is_some_and(|then| {
        release.rolled_back_in.is_none()
            && then.phase == Phase::Switched
            && (then.number, then.switched_in) == (release.number, release.switched_in)
    });
    match release.phase {
        Phase::Switched | Phase::Completed if standby_is_back => release.phase = Phase::Switched,
        Phase::Switched | Phase::RolledBack if !same_places(now, restored) => {
            let how = match release.phase {
                Phase::Switched => "is ended: it can't be rolled back any more",
                Phase::RolledBack | Phase::Completed => "is over",
            };
            notices.push(Notice {
                kind: "release-ended",
                text: format!("{}: the release of {} {how}", now.name, release.to_version),
            });
            release.phase = Phase::Completed;
        }
        Phase::Switched | Phase::RolledBack | Phase::Completed => {}
    }
    Some(release)
}

/// The same deployments in the same roles: nothing of what a release is about has moved.
fn same_places(a: &ServiceState, b: &ServiceState) -> bool {
    Colour::BOTH.into_iter().all(|colour| {
        let (a, b) = (a.environment(colour), b.environment(colour));
        let same = match (&a.deployment, &b.deployment) {
            (Some(a), Some(b)) => is_same(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        same && a.role == b.role
    })
}

/// A service deleted and made again counts from 1 again: the version tells its deployments from the old ones.
fn is_same(a: &Deployment, b: &Deployment) -> bool {
    a.number == b.number && a.version == b.version
}

/// `environment` is as it was then; it takes what is still true of now.
fn restore_environment(
    environment: &mut Environment,
    colour: Colour,
    now: Option<&Environment>,
    exact: bool,
    context: &Context,
    notice: &mut impl FnMut(&'static str, String),
) {
    let role = environment.role;
    let Some(deployment) = &mut environment.deployment else {
        return;
    };
    let label = format!(
        "{} (deployment {}) in {colour}",
        deployment.version, deployment.number
    );
    let present = now.and_then(|now| now.deployment.as_ref());
    match present.filter(|present| is_same(present, deployment)) {
        Some(present) => {
            if now.is_some_and(|now| now.rolled_back) {
                if role == Role::Live {
                    notice(
                        "was-rolled-back",
                        format!("{label} was rolled back since, and is live again"),
                    );
                } else {
                    environment.rolled_back = true;
                }
            }
            let emptied = present.endpoints.is_empty() && !deployment.endpoints.is_empty();
            if emptied && !exact {
                notice(
                    "old-endpoints",
                    format!("{label} lost its endpoints since; those of then are back"),
                );
            }
            if !exact && !emptied {
                deployment.endpoints.clone_from(&present.endpoints);
            }
            // Start from the addresses of now: `introduced` stays where the proxies have these addresses already.
            let names_then = std::mem::take(&mut deployment.names);
            deployment.names = present.names.clone();
            for (host, ips) in names_then {
                deployment.names.entry(host).or_insert(ips);
            }
            deployment.addresses.clone_from(&present.addresses);
            deployment.introduced = present.introduced;
            deployment.take_addresses(context);
        }
        None => {
            deployment.take_addresses(context);
            // Whatever stands there now, these addresses come back only with this revision.
            deployment.introduced = context.revision;
            if !deployment.endpoints.is_empty() {
                notice(
                    "old-endpoints",
                    format!("{label} is back with the endpoints it had then: check that they run"),
                );
            }
        }
    }
    if role == Role::Live && deployment.is_unreachable() {
        notice(
            "no-endpoints",
            format!("{label} is live and has no endpoints: every request will fail"),
        );
    }
}
