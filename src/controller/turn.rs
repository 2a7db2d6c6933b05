//! One turn: from a command to a flushed commit, with nothing in between that waits for anybody but the disk.
//!
//! Named invariants: **known only when durable** (nothing is answered or published before the commit returned) and
//! **a switch changes routes only**.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::oneshot;

use super::{
    Accepted, Command, CommandError, Ended, Handle, Lease, Plan, Request,
    checks::{not_only_routes, verify},
    delivery::{Touched, requirement},
    draft::{Draft, Ground, Making, draft},
    input::input,
    preconditions,
    prepare::Prepared,
    record::WatchRecord,
    restore,
};
use crate::{
    fault,
    fleet::Requirement,
    model::{DocumentKind, EndedBy, NackPolicy, Name, OnNack, Revision, TypeUrl},
    release::{Context, FleetState, Notice, Reason, Refusal},
    snapshot::{self, ChangeKind, Input, Snapshot},
    store::{Commit, CommitError, CommitKind, Head, RevisionMeta},
};

/// Another server on the same store may come in between; more often than this in a row it is a quarrel.
const ATTEMPTS: usize = 3;

/// Commands that changed nothing leave no revision to find them by; so many are remembered by operation id, which
/// is what a repeat after a lost answer needs.
const REMEMBERED: usize = 256;

/// A command whose turn is to come.
pub(super) struct Turn {
    pub request: Request,
    pub prepared: Prepared,
    pub reply: oneshot::Sender<Result<Accepted, CommandError>>,
    /// The fleet must not be given up before the turn has ended, even if whoever asked is gone.
    pub _lease: Option<Lease>,
}

/// The one writer of a fleet.
pub(super) struct Writer {
    handle: Handle,
    /// The builder's input for a state, so that only what differs is made anew.
    known: Option<(Arc<FleetState>, Arc<Input>)>,
    unchanged: VecDeque<(String, Accepted)>,
}

impl Writer {
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            known: None,
            unchanged: VecDeque::new(),
        }
    }

    /// Takes one turn.
    pub async fn turn(
        &mut self,
        request: &Request,
        prepared: &Prepared,
    ) -> Result<Accepted, CommandError> {
        let mut attempt = 1;
        loop {
            match self.attempt(request, prepared).await {
                // The head is read again: somebody else wrote, and the command is checked against what is now.
                Err(CommandError::Commit(CommitError::Conflict { .. }))
                    if attempt < ATTEMPTS && request.if_revision.is_none() =>
                {
                    attempt += 1;
                }
                // The store tells after the next read whether the commit was made.
                Err(CommandError::Commit(CommitError::Unknown(source))) => {
                    let made = self.repeated(request).await?;
                    return made.ok_or(CommitError::Unknown(source).into());
                }
                other => return other,
            }
        }
    }

    async fn attempt(
        &mut self,
        request: &Request,
        prepared: &Prepared,
    ) -> Result<Accepted, CommandError> {
        if let Some(accepted) = self.repeated(request).await? {
            return Ok(accepted);
        }
        let handle = self.handle.clone();
        let head = handle.head();
        let at = head
            .as_ref()
            .map_or(Revision::ZERO, |head| head.meta.revision);
        handle.require_revision(request.if_revision)?;
        let ground = Ground {
            fleet: handle.name(),
            head: head.as_deref(),
            context: Context {
                revision: at.next(),
                now: request.arrived_at,
                addresses: prepared.addresses.clone(),
                actor: request.actor.clone(),
                by_server: request.command.is_internal(),
                why: request.message.clone(),
                policy: request.policy,
                waived: prepared.waived.clone(),
                events: handle.0.shared.release.events.is_some(),
                ended_by: EndedBy::Server,
            },
            prepared,
            ledger: handle.ledger(),
            telemetry: handle.telemetry(),
            allow_exec_hooks: handle.0.shared.release.allow_exec_hooks,
        };
        let mut draft = draft(request, &ground)?;
        for service in request.command.checked() {
            self.recheck(request, &ground, &draft, service)?;
        }
        if !draft.changed {
            return Ok(self.settled(request, head.as_deref(), draft));
        }
        let old = head.as_ref().map_or_else(
            || Arc::new(Snapshot::empty(ground.fleet.clone())),
            |head| head.snapshot.clone(),
        );
        let claimed = self.claim(request, &draft)?;
        let result = async {
            let new = Arc::new(self.build(request, head.as_deref(), &old, &mut draft)?);
            let plan = Plan {
                from: at,
                changes: snapshot::diff(&old, &new),
                old,
                new,
            };
            let same = |head: &Arc<Head>| *head.state == draft.state;
            if plan.changes.is_empty() && head.as_ref().is_some_and(same) {
                draft.changed = false;
                return Ok(self.settled(request, head.as_deref(), draft));
            }
            if request.dry_run {
                return Ok(self.planned(request, draft, plan));
            }
            self.commit(request, draft, plan).await
        }
        .await;
        if claimed {
            let head = self.handle.head();
            let nothing = FleetState::default();
            let state = head.as_ref().map_or(&nothing, |head| &*head.state);
            self.handle.0.shared.index.settle(self.handle.name(), state);
        }
        result
    }

    /// The preconditions that were found to hold must hold for what the switch goes to now.
    fn recheck(
        &self,
        request: &Request,
        ground: &Ground<'_>,
        draft: &Draft,
        service: &Name,
    ) -> Result<(), CommandError> {
        let Some(head) = ground.head else {
            return Ok(());
        };
        if !preconditions::still_so(ground.prepared, &head.state, &draft.state, service) {
            return Err(CommandError::Stale {
                service: service.clone(),
            });
        }
        if let (true, Some(target)) = (draft.changed, ground.prepared.targets.get(service)) {
            preconditions::lagging(ground.ledger, head, target, request.waivers)?;
        }
        Ok(())
    }

    /// A command with this operation id that was carried out before.
    async fn repeated(&self, request: &Request) -> Result<Option<Accepted>, CommandError> {
        let (id, fleet) = (&request.operation_id, self.handle.name());
        if id.is_empty() || request.dry_run {
            return Ok(None);
        }
        if let Some((_, accepted)) = self.unchanged.iter().find(|(known, _)| known == id) {
            return Ok(Some(accepted.clone()));
        }
        let store = &self.handle.0.shared.store;
        let Some(meta) = store.operation(fleet, id).await? else {
            return Ok(None);
        };
        if meta.command != request.command.name() {
            return Err(Refusal::new(
                Reason::BadInput,
                format!(
                    "operation id {id:?} was used for {} (revision {}), this is {}",
                    meta.command,
                    meta.revision,
                    request.command.name()
                ),
                "use a new operation id for a new command",
            )
            .into());
        }
        let accepted = super::record::recall(&self.handle, meta).await?;
        Ok(Some(accepted))
    }

    /// Takes the names that the draft adds, so that no other fleet can at the same time.
    fn claim(&self, request: &Request, draft: &Draft) -> Result<bool, CommandError> {
        let services = draft.state.services.keys();
        let resources = draft.state.resources.keys();
        let groups = draft.state.groups.keys();
        let names = services
            .map(|name| (DocumentKind::Service, name))
            .chain(resources.map(|name| (DocumentKind::EnvoyResources, name)))
            .chain(groups.map(|name| (DocumentKind::Group, name)));
        let index = &self.handle.0.shared.index;
        let taken = if matches!(
            request.command,
            Command::Apply { .. } | Command::RollbackFleet { .. } | Command::Revert { .. }
        ) {
            index.claim(self.handle.name(), names, !request.dry_run)
        } else {
            return Ok(!request.dry_run && matches!(request.command, Command::Delete { .. }));
        };
        match taken {
            Ok(()) => Ok(!request.dry_run),
            Err((kind, name, owner)) => {
                let fleet = self.handle.name();
                let delete = format!("`bluegreen delete {kind} {name}`");
                let (message, remedy) = if matches!(request.command, Command::Apply { .. }) {
                    (
                        format!("{kind} {name} belongs to fleet {owner}, not {fleet}"),
                        format!("use another name, or {delete} first"),
                    )
                } else {
                    (
                        format!(
                            "{kind} {name} would come back to fleet {fleet}, but its name is fleet {owner}'s now"
                        ),
                        format!("{delete} there first, or go back to a revision without it"),
                    )
                };
                Err(Refusal::new(Reason::FleetIsFixed, message, remedy).into())
            }
        }
    }

    fn build(
        &mut self,
        request: &Request,
        head: Option<&Head>,
        old: &Arc<Snapshot>,
        draft: &mut Draft,
    ) -> Result<Snapshot, CommandError> {
        let before = self.input_of(head);
        let known = head.map(|head| (&*head.state, &*before));
        let after = input(&draft.state, known);
        let built = match draft.making {
            Making::Rebuild => snapshot::rebuild(old, &after),
            _ => snapshot::build(old, &before, &after),
        }
        .map_err(|error| {
            // What can't be built is no matter of insisting: an author has to correct the document.
            let (reason, remedy) = match request.command {
                Command::Apply { .. } => (Reason::BadInput, "correct the document"),
                _ => (
                    Reason::InvalidResources,
                    "correct and apply the document first",
                ),
            };
            Refusal::new(
                reason,
                error.to_string(),
                format!("{remedy}; nothing was changed"),
            )
        })?;
        draft
            .notices
            .extend(built.warnings.into_iter().map(|text| Notice {
                kind: "warning",
                text,
            }));
        let new = match &draft.making {
            Making::Restore { then, exact } => {
                restore::snapshot(old, &built.snapshot, then, *exact, &draft.state)
            }
            _ => built.snapshot,
        };
        if let Making::RoutesOnly { waived } = draft.making
            && let Err(others) = snapshot::only_routes_differ(old, &new)
        {
            let name = Reason::NotOnlyRoutes.name().to_owned();
            if !waived {
                return Err(not_only_routes(&others).into());
            }
            draft.waived.push(name);
        }
        verify(request, old, &new, &mut draft.notices)?;
        Ok(new)
    }

    /// The builder's input for the head, remembered from the turn before.
    fn input_of(&mut self, head: Option<&Head>) -> Arc<Input> {
        let Some(head) = head else {
            return Arc::default();
        };
        if let Some((state, input)) = &self.known
            && Arc::ptr_eq(state, &head.state)
        {
            return input.clone();
        }
        let known = self
            .known
            .as_ref()
            .map(|(state, input)| (&**state, &**input));
        let made = Arc::new(input(&head.state, known));
        self.known = Some((head.state.clone(), made.clone()));
        made
    }

    async fn commit(
        &mut self,
        request: &Request,
        draft: Draft,
        plan: Plan,
    ) -> Result<Accepted, CommandError> {
        let shared = &self.handle.0.shared;
        let count = |kind| plan.changes.iter().filter(|one| one.kind == kind).count() as u32;
        let policy = policy(request, &draft);
        let record = WatchRecord::new(policy, &draft.moved);
        let meta = RevisionMeta {
            fleet: self.handle.name().clone(),
            revision: plan.from.next(),
            arrived_at: request.arrived_at,
            at: (shared.clock)(),
            actor: request.actor.clone(),
            actor_verified: request.actor_verified,
            kind: draft.kind.unwrap_or(CommitKind::Change),
            command: request.command.name().to_owned(),
            what: draft.what(),
            why: request.message.clone(),
            operation_id: request.operation_id.clone(),
            services: draft.services,
            waived: draft.waived,
            changes: (
                count(ChangeKind::Added),
                count(ChangeKind::Changed),
                count(ChangeKind::Removed),
            ),
            watch: record.to_value(),
            notes: Vec::new(),
        };
        let commit = Commit {
            expected: plan.from,
            epoch: shared.epoch,
            uses_reserve: request.command.is_urgent(),
            meta,
            state: Arc::new(draft.state),
            snapshot: plan.new.clone(),
        };
        fault::point("controller-before-commit");
        let head = shared.store.commit(commit).await?;
        fault::point("controller-after-commit");
        let accepted = Accepted {
            ended: Ended::Committed,
            fleet: self.handle.name().clone(),
            revision: head.meta.revision,
            what: head.meta.what.clone(),
            requirement: requirement(&head.meta, &head.snapshot),
            durable_ms: ms_between(request.arrived_at, (shared.clock)()),
            meta: Some(head.meta.clone()),
            touched: Touched::of(&plan.changes, &plan.new),
            plan: Some(plan),
            watch: record.policy,
            service: request.command.service().cloned(),
            moved: draft.moved,
            notices: draft.notices,
        };
        super::nack::watch(&self.handle, &head, accepted.touched.clone());
        Ok(accepted)
    }

    fn planned(&self, request: &Request, draft: Draft, plan: Plan) -> Accepted {
        Accepted {
            ended: Ended::Planned,
            fleet: self.handle.name().clone(),
            revision: plan.from,
            meta: None,
            what: draft.what(),
            requirement: Requirement::new(plan.from, Vec::new()),
            plan: Some(plan),
            touched: Arc::default(),
            watch: None,
            service: request.command.service().cloned(),
            moved: draft.moved,
            notices: draft.notices,
            durable_ms: 0.0,
        }
    }

    /// What was asked for is so already: the proof is that of the revision which made it so.
    fn settled(&mut self, request: &Request, head: Option<&Head>, draft: Draft) -> Accepted {
        let at = head.map_or(Revision::ZERO, |head| head.meta.revision);
        let requirement = match (draft.settled_in, draft.moved.is_empty()) {
            (Some(revision), false) => Requirement::weights(revision),
            (Some(revision), true) => {
                let types = vec![TypeUrl::Cluster, TypeUrl::ClusterLoadAssignment];
                Requirement::new(revision, types)
            }
            (None, _) => {
                let types = head.into_iter().flat_map(|head| head.snapshot.types());
                Requirement::new(at, types.map(|set| set.type_url).collect())
            }
        };
        let revision = requirement.revision;
        let meta = head
            .filter(|head| head.meta.revision == revision)
            .map(|head| head.meta.clone());
        let accepted = Accepted {
            ended: Ended::Unchanged,
            fleet: self.handle.name().clone(),
            revision,
            durable_ms: meta
                .as_ref()
                .map_or(0.0, |meta| ms_between(meta.arrived_at, meta.at)),
            meta,
            what: draft.what(),
            plan: None,
            touched: Arc::default(),
            requirement,
            watch: None,
            service: request.command.service().cloned(),
            moved: draft.moved,
            notices: draft.notices,
        };
        if !request.dry_run && !request.operation_id.is_empty() {
            self.unchanged
                .push_back((request.operation_id.clone(), accepted.clone()));
            if self.unchanged.len() > REMEMBERED {
                self.unchanged.pop_front();
            }
        }
        accepted
    }
}

/// What happens when proxies reject the revision: what was said with the command, and of the rest what was said of the release
/// whose step it is. What goes back is never taken back itself; where the server does that, too many rejections are told.
fn policy(request: &Request, draft: &Draft) -> Option<NackPolicy> {
    let command = &request.command;
    let steps = matches!(
        command,
        Command::Switch { .. }
            | Command::Release { .. }
            | Command::Steer { .. }
            | Command::Advance { .. }
    );
    let service = command.service().filter(|_| steps);
    let service = service.and_then(|name| draft.state.services.get(name));
    let rollout = service.and_then(|service| service.rollout.as_deref());
    let of_release = rollout.map_or_else(NackPolicy::default, |rollout| rollout.policy);
    let policy = request.policy.over(of_release);
    if command.is_watched() {
        return Some(policy);
    }
    let goes_back = matches!(command, Command::Advance { .. });
    goes_back.then_some(NackPolicy {
        on_nack: OnNack::Halt,
        ..policy
    })
}

/// Milliseconds between two times; 0 where the clock was set back.
pub(super) fn ms_between(from: jiff::Timestamp, to: jiff::Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0) * 1000.0
}
