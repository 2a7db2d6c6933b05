//! What a command makes of a fleet's state, before anything is built or stored.

use std::sync::Arc;

use super::{
    Command, Request,
    documents::{self, Allowed},
    error::{CommandError, not_found},
    prepare::Prepared,
    restore,
    standing::standing,
    temporary,
};
use crate::{
    fleet::{Ledger, Requirement},
    model::{Name, Revision},
    release::{
        self, Context, Event, FleetState, InUse, Moved, Notice, Refusal, ServiceState, Step,
        StepKind, Temporary,
    },
    snapshot::cluster_name,
    store::{CommitKind, Head},
    telemetry::Telemetry,
};

/// What a draft stands on.
pub(super) struct Ground<'a> {
    pub fleet: &'a Name,
    /// None: nothing was ever declared.
    pub head: Option<&'a Head>,
    pub context: Context,
    pub prepared: &'a Prepared,
    pub ledger: &'a Ledger,
    pub telemetry: &'a Telemetry,
    pub allow_exec_hooks: bool,
}

/// A fleet's state as it would be.
#[derive(Default)]
pub(super) struct Draft {
    pub state: FleetState,
    pub changed: bool,
    /// Sentences for the history.
    pub done: Vec<String>,
    /// Sentences on what was so already.
    pub already: Vec<String>,
    /// Services that are touched.
    pub services: Vec<Name>,
    pub moved: Vec<(Name, Moved)>,
    pub notices: Vec<Notice>,
    pub waived: Vec<String>,
    /// For what is so already: the revision in which it came to be.
    pub settled_in: Option<Revision>,
    pub kind: Option<CommitKind>,
    /// How the snapshot comes about.
    pub making: Making,
}

/// How the snapshot of a draft comes about.
#[derive(Default)]
pub(super) enum Making {
    /// From the snapshot before and what differs.
    #[default]
    Incremental,
    /// As `Incremental`, and it may differ in route configurations only, unless `waivable` and waived.
    RoutesOnly {
        /// `--force` was given.
        waived: bool,
    },
    /// All anew.
    Rebuild,
    /// The stored resources of an earlier revision.
    Restore {
        /// That revision.
        then: Arc<Head>,
        /// Its endpoints too.
        exact: bool,
    },
}

impl Draft {
    /// What was done, or what is so already, in a sentence or a few.
    pub fn what(&self) -> String {
        let sentences = if self.changed {
            &self.done
        } else {
            &self.already
        };
        let mut what = sentences[..sentences.len().min(SENTENCES)].join("; ");
        if sentences.len() > SENTENCES {
            what.push_str(&format!("; and {} more", sentences.len() - SENTENCES));
        }
        what
    }

    /// Enters what a step of the state machine says.
    pub fn take(&mut self, service: &Name, step: Step) {
        self.notices.extend(step.notices);
        self.waived
            .extend(step.waived.iter().map(|reason| reason.name().to_owned()));
        if let Some(moved) = step.moved {
            self.moved.push((service.clone(), moved));
        }
        self.settled_in = self.settled_in.max(step.settled_in);
        if !step.changed {
            self.already.push(step.what);
            return;
        }
        self.done.push(step.what);
        self.changed = true;
        self.services.push(service.clone());
        let kind = match step.kind {
            StepKind::Change => CommitKind::Change,
            StepKind::Switch => CommitKind::Switch,
            StepKind::Endpoints => CommitKind::Endpoints,
            StepKind::Release => CommitKind::Release,
        };
        // A revision that does several things is a change: retention must not thin it.
        self.kind = Some(match self.kind {
            None => kind,
            Some(same) if same == kind => kind,
            Some(_) => CommitKind::Change,
        });
        self.state
            .services
            .insert(service.clone(), Arc::new(step.state));
    }
}

/// So many sentences stand in a record; the rest is counted.
const SENTENCES: usize = 20;

/// Works out what the request makes of the fleet.
pub(super) fn draft(request: &Request, ground: &Ground<'_>) -> Result<Draft, CommandError> {
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
            all(&mut draft, ground, services, &event)?;
            let waived = request.waivers.force;
            draft.making = Making::RoutesOnly { waived };
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
                ended_by: temporary::ended_by(&mut draft, ground, Temporary::Shadow),
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
                ended_by: temporary::ended_by(&mut draft, ground, Temporary::Preview),
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
            one(&mut draft, ground, service, &event)?;
        }
        Command::Retire { service, force } => {
            let state = find(&draft.state, service)?;
            let event = Event::Retire {
                force: *force,
                in_use: InUse {
                    routed: routed(ground, &state),
                    open: open_on(ground.telemetry, &state),
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
        Command::Steer { service, verb } => moving(&mut draft, ground, service, &verb.event())?,
        Command::Decide {
            service,
            check,
            verdict,
        } => {
            let event = Event::Decide {
                check: check.clone(),
                verdict: *verdict,
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

/// The state of a service.
pub(super) fn find(state: &FleetState, service: &Name) -> Result<Arc<ServiceState>, Refusal> {
    state
        .services
        .get(service)
        .cloned()
        .ok_or_else(|| not_found("service", service.as_str()))
}

/// One event on one service.
pub(super) fn one(
    draft: &mut Draft,
    ground: &Ground<'_>,
    service: &Name,
    event: &Event,
) -> Result<(), CommandError> {
    let state = find(&draft.state, service)?;
    let step = release::step(&state, event, &ground.context)?;
    draft.take(service, step);
    Ok(())
}

/// One event that may move traffic on the way of a release: then it may change routes only, as a switch.
fn moving(
    draft: &mut Draft,
    ground: &Ground<'_>,
    service: &Name,
    event: &Event,
) -> Result<(), CommandError> {
    let state = find(&draft.state, service)?;
    let mirrors = state
        .spec
        .release
        .as_ref()
        .is_some_and(|it| it.shadow.is_some());
    let mut context = ground.context.clone();
    if mirrors {
        context.ended_by = temporary::ended_by(draft, ground, Temporary::Shadow);
    }
    let step = release::step(&state, event, &context)?;
    if step.changed && step.kind == StepKind::Switch {
        draft.making = Making::RoutesOnly { waived: false };
    }
    draft.take(service, step);
    Ok(())
}

/// One event on several services. All of them take it, or none: what is refused is said of each.
fn all(
    draft: &mut Draft,
    ground: &Ground<'_>,
    services: &[Name],
    event: &Event,
) -> Result<(), CommandError> {
    let mut refusals = Vec::new();
    for service in services {
        match one(draft, ground, service, event) {
            Ok(()) => {}
            Err(CommandError::Refused(refusal)) => refusals.push((service.clone(), refusal)),
            Err(other) => return Err(other),
        }
    }
    match super::error::none_of(services.len(), refusals) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// Requests and streams that proxies report as open on the environment that is not live.
pub(super) fn open_on(telemetry: &Telemetry, state: &ServiceState) -> u64 {
    let cluster = cluster_name(&state.name, state.live.other());
    let load = telemetry.cluster(&cluster, None);
    load.map_or(0, |load| load.in_progress)
}

/// Who of the roster may still route to the standby: a proxy that has not accepted the switch away from it.
fn routed(ground: &Ground<'_>, state: &ServiceState) -> Option<String> {
    let release = state.release.as_ref()?;
    let head = ground.head?;
    let away = Requirement::weights(release.switched_in);
    let proof = standing(ground.ledger, &head.snapshot, &away);
    if proof.is_complete() {
        return None;
    }
    Some(format!(
        "{} of {} proxies have not accepted revision {}, which took the traffic from the standby: {}",
        proof.total - proof.acked,
        proof.total,
        release.switched_in,
        super::prepare::names_of(&proof)
    ))
}
