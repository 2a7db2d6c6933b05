//! A fleet's state as a command would make it, and what it is drafted on.

use std::sync::Arc;

use super::{first_reports::FirstReports, prepared::Prepared};
use crate::{
    controller::request::{CommandError, not_found},
    fleet::Ledger,
    model::{Name, Revision},
    release::{
        self, Context, Event, FleetState, Moved, Notice, Refusal, ServiceState, Step, StepKind,
    },
    store::{CommitKind, Head},
    telemetry::Telemetry,
};

/// So many sentences stand in a record; the rest is counted.
const SENTENCES: usize = 20;

/// What a draft stands on.
pub(in crate::controller) struct Ground<'a> {
    pub fleet: &'a Name,
    /// None: nothing was ever declared.
    pub head: Option<&'a Head>,
    pub context: Context,
    pub prepared: &'a Prepared,
    pub ledger: &'a Ledger,
    pub telemetry: &'a Telemetry,
    pub first_reports: FirstReports,
    pub allow_exec_hooks: bool,
}

/// A fleet's state as it would be.
#[derive(Default)]
pub(in crate::controller) struct Draft {
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
pub(in crate::controller) enum Making {
    /// From the snapshot before and what differs.
    #[default]
    Incremental,
    /// As `Incremental`, and it may differ in route configurations only, unless that is waived.
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

/// The state of a service.
pub(in crate::controller) fn find(
    state: &FleetState,
    service: &Name,
) -> Result<Arc<ServiceState>, Refusal> {
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
    step(draft, &ground.context, service, event).map(drop)
}

/// The same in another context; says what kind of step it was, if it changed something.
pub(super) fn step(
    draft: &mut Draft,
    context: &Context,
    service: &Name,
    event: &Event,
) -> Result<Option<StepKind>, CommandError> {
    let state = find(&draft.state, service)?;
    let step = release::step(&state, event, context)?;
    let kind = step.changed.then_some(step.kind);
    draft.take(service, step);
    Ok(kind)
}
