//! A command as steps of the state machine: what it makes of a fleet's state, before anything is built or stored.

use super::{
    documents::{self, Allowed},
    draft::{Draft, Ground, Making, find, one, step},
    ended_by::ended_by,
    in_use::{open_on, routed, unheard},
    restore,
    together::in_one_revision,
};
use crate::{
    controller::request::{Command, CommandError, Refusals, Request, not_found},
    model::Name,
    release::{Event, FleetState, InUse, Refusal, StepKind, Temporary},
};

/// Works out what the request makes of the fleet.
pub(in crate::controller) fn draft(
    request: &Request,
    ground: &Ground<'_>,
) -> Result<Draft, CommandError> {
    let mut draft = Draft {
        state: ground
            .head
            .map(|head| FleetState::clone(&head.state))
            .unwrap_or_default(),
        waived: ground.prepared.waived.clone(),
        ..Draft::default()
    };
    match &request.command {
        Command::Apply {
            documents,
            no_verify,
            replace_standby,
            force,
        } => {
            let allowed = Allowed {
                no_verify: *no_verify,
                replace_standby: *replace_standby,
                force: *force,
            };
            documents::apply(&mut draft, ground, documents, allowed)?;
        }
        Command::Delete { kind, name, .. } => documents::delete(&mut draft, *kind, name)?,
        Command::Deploy {
            service,
            version,
            endpoints,
            replace_standby,
        } => {
            let event = Event::Deploy {
                version: version.clone(),
                endpoints: endpoints.clone(),
                replace_standby: *replace_standby,
            };
            one(&mut draft, ground, service, &event)?;
        }
        Command::Scale {
            service,
            colour,
            endpoints,
            replace_standby,
            force,
        } => {
            let event = Event::Scale {
                colour: *colour,
                endpoints: endpoints.clone(),
                replace_standby: *replace_standby,
                force: *force,
            };
            one(&mut draft, ground, service, &event)?;
        }
        Command::Switch { service, to } => {
            let event = request.waivers.switch(*to);
            moving(&mut draft, ground, service, &event)?;
            if let Making::RoutesOnly { waived } = &mut draft.making {
                *waived = request.waivers.force;
            }
        }
        Command::Rollback { service } => {
            one(&mut draft, ground, service, &Event::Rollback)?;
            draft.making = Making::RoutesOnly { waived: false };
        }
        Command::SwitchGroup { services } => {
            let event = request.waivers.switch(None);
            // Where a release mirrors first, the key that ends the mirror comes with its routes.
            let routes_only = all(&mut draft, ground, services, &event)?;
            in_one_revision(ground.head.map(|head| &*head.state), &draft, services)?;
            if routes_only {
                let waived = request.waivers.force;
                draft.making = Making::RoutesOnly { waived };
            }
        }
        Command::RollbackGroup { services } => {
            all(&mut draft, ground, services, &Event::Rollback)?;
            draft.making = Making::RoutesOnly { waived: false };
        }
        Command::Shift { service, weight } => {
            let force = request.waivers.force;
            let event = Event::Shift {
                weight: *weight,
                force,
            };
            one(&mut draft, ground, service, &event)?;
            draft.making = Making::RoutesOnly { waived: force };
        }
        Command::Shadow {
            service,
            percent,
            duration,
        } => {
            let event = Event::Shadow {
                percent: *percent,
                duration: *duration,
                ended_by: ended_by(&mut draft, ground, Temporary::Shadow),
            };
            one(&mut draft, ground, service, &event)?;
        }
        Command::Preview {
            service,
            header,
            value,
            duration,
        } => {
            let event = Event::Preview {
                header: header.clone(),
                value: value.clone(),
                duration: *duration,
                ended_by: ended_by(&mut draft, ground, Temporary::Preview),
            };
            one(&mut draft, ground, service, &event)?;
        }
        Command::End {
            service,
            what,
            started_in,
        } => {
            let event = Event::End {
                what: *what,
                started_in: *started_in,
            };
            releasing(&mut draft, ground, service, &event)?;
        }
        Command::Retire { service, force } => {
            let state = find(&draft.state, service)?;
            let event = Event::Retire {
                force: *force,
                in_use: InUse {
                    routed: routed(ground, &state),
                    open: open_on(ground.telemetry, &state),
                    unheard: unheard(
                        ground.telemetry,
                        ground.ledger,
                        &state,
                        ground.first_reports,
                    ),
                },
            };
            one(&mut draft, ground, service, &event)?;
        }
        Command::Release {
            service,
            version,
            endpoints,
            promotion,
            replace_standby,
        } => {
            let event = Event::Release {
                version: version.clone(),
                endpoints: endpoints.clone(),
                promotion: *promotion,
                replace_standby: *replace_standby,
            };
            one(&mut draft, ground, service, &event)?;
        }
        Command::Steer { service, verb } => {
            moving(&mut draft, ground, service, &Event::Steer(*verb))?
        }
        Command::Decide {
            service,
            check,
            verdict,
            step,
        } => {
            let event = Event::Decide {
                check: check.clone(),
                verdict: *verdict,
                step: *step,
            };
            one(&mut draft, ground, service, &event)?;
        }
        Command::Advance { service, signal } => {
            moving(&mut draft, ground, service, &Event::Signal(signal.clone()))?;
        }
        Command::Resolved { .. } => {
            for name in draft.state.services.keys().cloned().collect::<Vec<_>>() {
                one(&mut draft, ground, &name, &Event::Resolved)?;
            }
        }
        Command::RollbackFleet { to, exact, yes } => {
            restore::fleet(&mut draft, ground, *to, *exact, *yes)?;
        }
        Command::Revert { revision } => restore::take_back(&mut draft, ground, *revision)?,
        Command::Rebuild => {
            if ground.head.is_none() {
                return Err(not_found("fleet", ground.fleet.as_str()).into());
            }
            draft.changed = true;
            draft.done.push("rebuilt all resources".to_owned());
            draft.making = Making::Rebuild;
        }
    }
    Ok(draft)
}

/// One event that may move traffic on the way of a release: then it may change routes only, as a switch.
fn moving(
    draft: &mut Draft,
    ground: &Ground<'_>,
    service: &Name,
    event: &Event,
) -> Result<(), CommandError> {
    if releasing(draft, ground, service, event)? == Some(StepKind::Switch) {
        draft.making = Making::RoutesOnly { waived: false };
    }
    Ok(())
}

/// One event that may make a release mirror: who can end that is known then.
fn releasing(
    draft: &mut Draft,
    ground: &Ground<'_>,
    service: &Name,
    event: &Event,
) -> Result<Option<StepKind>, CommandError> {
    let state = find(&draft.state, service)?;
    let mirrors = state
        .spec
        .release
        .as_ref()
        .is_some_and(|it| it.shadow.is_some());
    let mut context = ground.context.clone();
    if mirrors {
        context.ended_by = ended_by(draft, ground, Temporary::Shadow);
    }
    step(draft, &context, service, event)
}

/// One event on several services. All of them take it, or none: what is refused is said of each. True: nothing but traffic moved.
fn all(
    draft: &mut Draft,
    ground: &Ground<'_>,
    services: &[Name],
    event: &Event,
) -> Result<bool, CommandError> {
    let mut refusals = Refusals::default();
    let mut moved = true;
    for service in services {
        let result = releasing(draft, ground, service, event);
        let result = result.map(|kind| moved &= kind.is_none_or(|kind| kind == StepKind::Switch));
        refusals.enter(service, result)?;
    }
    let others: Vec<&Name> = services.iter().filter(|it| !refusals.has(it)).collect();
    match refusals.none_of(services.len()) {
        Err(CommandError::Refused(refusal)) if matches!(event, Event::Rollback) => {
            Err(without_those(refusal, &others).into())
        }
        refused => refused.map(|()| moved),
    }
}

/// A rollback that some can't take says how the others go back all the same: the way back is never shut.
fn without_those(mut refusal: Refusal, others: &[&Name]) -> Refusal {
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|name| name.as_str()).collect();
        let names = names.join(" ");
        let without = format!("; without what is in the way: `bluegreen rollback {names}`");
        refusal.remedy.push_str(&without);
    }
    refusal
}
