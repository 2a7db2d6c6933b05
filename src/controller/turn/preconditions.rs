//! The preconditions of a switch that need the world: the fleet has the target's endpoints, and they answer.
//!
//! A rollback has none of these: it goes to what worked before, whatever state the fleet is in.

use tokio::time::{Instant, timeout_at};

use crate::{
    controller::{
        handle::Handle,
        named::named,
        plan::{Prepared, Target, endpoints_of, find, lagging, target, target_in},
        proof::names_of,
        request::{CommandError, Refusals, Request, Tell, Waivers},
    },
    fleet::{NotAckedState, Proof},
    gates::{ProbeTarget, Unreachable, probe},
    model::Name,
    release::{self, Context, Event, Notice, Reason, Refusal},
    store::Head,
};

/// Checks what a switch needs from outside; waits, bounded, for a fleet that is about to have it.
pub(super) async fn check(
    handle: &Handle,
    request: &Request,
    service: &Name,
    event: &Event,
    prepared: &mut Prepared,
    tell: Tell<'_>,
) -> Result<(), CommandError> {
    let Some(head) = handle.head() else {
        return Ok(());
    };
    let state = find(&head.state, service)?;
    let waivers = request.waivers;
    let context = Context {
        revision: head.meta.revision.next(),
        now: request.arrived_at,
        ..Context::default()
    };
    // What the state machine refuses is refused before anybody waits for anything.
    let step = release::step(&state, event, &context)?;
    // A switch that first mirrors or asks a hook goes there too, later and without anybody in front of it.
    let goes_there = step.changed && matches!(event, Event::Switch { .. });
    let next = || {
        goes_there
            .then(|| target_in(&state, state.live.other()))
            .flatten()
    };
    let Some(target) = target(&state, &step.state).or_else(next) else {
        return Ok(());
    };
    if !waivers.force {
        wait_for_fleet(handle, &head, &target, waivers, tell).await;
    }
    let proof = handle.standing(&head, &endpoints_of(&target));
    if let Some(waived) = lagging(&proof, handle.name(), &target, waivers)? {
        prepared.waived.push(waived);
    }
    if waivers.force || waivers.skip_probe {
        let name = Reason::EndpointUnreachable.name();
        prepared.waived.push(name.to_owned());
    } else {
        let asked = ProbeTarget {
            protocol: state.spec.cluster.protocol,
            health_check: state.spec.cluster.health_check.as_ref(),
        };
        let silent = probe(asked, &target.addresses, handle.0.shared.probe).await;
        if !silent.is_empty() {
            return Err(unreachable(service, &target, &silent).into());
        }
    }
    prepared.targets.insert(service.clone(), target);
    Ok(())
}

/// The same for the switch of several services; what is in the way is said of each.
pub(super) async fn check_all(
    handle: &Handle,
    request: &Request,
    services: &[Name],
    prepared: &mut Prepared,
    tell: Tell<'_>,
) -> Result<(), CommandError> {
    let event = request.waivers.switch(None);
    let mut refusals = Refusals::default();
    for service in services {
        let checked = check(handle, request, service, &event, prepared, tell).await;
        refusals.enter(service, checked)?;
    }
    refusals.none_of(services.len())
}

/// Waits for proxies that are about to catch up: after a start for those that were known to come back, else for
/// connected ones that have not answered yet.
async fn wait_for_fleet(
    handle: &Handle,
    head: &Head,
    target: &Target,
    waivers: Waivers,
    tell: Tell<'_>,
) {
    let shared = &handle.0.shared;
    let settled = shared.started + shared.settle;
    let patience = Instant::now() + shared.lag_patience;
    let mut changes = handle.ledger_changes();
    let mut told = false;
    loop {
        changes.borrow_and_update();
        let proof = handle.standing(head, &endpoints_of(target));
        if proof.total - proof.acked <= waivers.allow_lagging {
            return;
        }
        let until = if Instant::now() < settled {
            settled.max(patience)
        } else if may_catch_up(&proof) {
            patience
        } else {
            return;
        };
        if !told {
            told = true;
            tell(Notice {
                kind: "waiting-for-roster",
                text: format!(
                    "waiting for {} of {} proxies to accept the endpoints of {}: {}",
                    proof.total - proof.acked,
                    proof.total,
                    target.colour,
                    names_of(&proof)
                ),
            });
        }
        if timeout_at(until, changes.changed()).await.is_err() {
            return;
        }
    }
}

fn may_catch_up(proof: &Proof) -> bool {
    proof
        .not_acked
        .iter()
        .any(|one| one.state == NotAckedState::Pending)
}

fn unreachable(service: &Name, target: &Target, silent: &[Unreachable]) -> Refusal {
    let each: Vec<String> = silent
        .iter()
        .map(|one| format!("{} ({})", one.address, one.error))
        .collect();
    Refusal::new(
        Reason::EndpointUnreachable,
        format!(
            "{} of {} endpoints of {service} {} do not answer: {}",
            silent.len(),
            target.addresses.len(),
            target.colour,
            named(&each)
        ),
        "start them, take them out with `bluegreen scale`, or use --skip-probe",
    )
}
