//! One turn: from a command to a flushed commit, with nothing in between that waits for anybody but the disk.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    answer::{planned, settled},
    claim::{claim, settle},
    commit::commit,
    recall::{Asked, earlier, same},
};
use crate::{
    controller::{
        handle::Handle,
        plan::{Builder, Draft, Ground, Prepared, draft, endpoints_of, lagging, still_so},
        request::{Accepted, CommandError, Plan, Request},
    },
    model::{EndedBy, Name, Revision},
    release::Context,
    snapshot::{self, Snapshot},
    store::{CommitError, Head},
};

/// Another server on the same store may come in between; more often than this in a row it is a quarrel.
const ATTEMPTS: usize = 3;

/// Commands that changed nothing leave no revision to find them by; so many are remembered by operation id, which
/// is what a repeat after a lost answer needs.
const REMEMBERED: usize = 256;

/// The one writer of a fleet.
pub(super) struct Writer {
    handle: Handle,
    builder: Builder,
    unchanged: VecDeque<Settled>,
}

/// A command that changed nothing, and what it was told.
struct Settled {
    operation_id: String,
    command: &'static str,
    services: Vec<Name>,
    fingerprint: String,
    accepted: Accepted,
}

impl Settled {
    fn asked(&self) -> Asked<'_> {
        Asked {
            command: self.command,
            services: &self.services,
            fingerprint: &self.fingerprint,
            what: &self.accepted.what,
        }
    }
}

impl Writer {
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            builder: Builder::default(),
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
                    // It can't be read as long as what it flushed is not answered for: that is not known either.
                    let made = self.repeated(request).await.ok().flatten();
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
                automatic: request.is_automatic(),
                why: request.message.clone(),
                policy: request.policy,
                waived: prepared.waived.clone(),
                released: prepared.released.clone(),
                events: handle.0.shared.release.events.is_some(),
                ended_by: EndedBy::Server,
                counted: self.counted(request, head.as_deref()),
            },
            prepared,
            ledger: handle.ledger(),
            telemetry: handle.telemetry(),
            first_reports: handle.0.shared.first_reports(),
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
        let claimed = claim(&handle, request, &draft)?;
        let result = async {
            let new = self
                .builder
                .build(request, head.as_deref(), &old, &mut draft)?;
            let new = Arc::new(new);
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
                return Ok(planned(ground.fleet, request, draft, plan));
            }
            commit(&self.handle, request, draft, plan).await
        }
        .await;
        if claimed {
            settle(&self.handle);
        }
        result
    }

    /// Time that counted in the release of the command's service, and is not stored yet.
    fn counted(&self, request: &Request, head: Option<&Head>) -> Duration {
        let service = request.command.service();
        let rollout = service.zip(head).and_then(|(service, head)| {
            let state = head.state.services.get(service)?;
            let progress = self.handle.release_progress(service)?;
            Some(progress.elapsed(state.rollout.as_deref()?))
        });
        rollout.unwrap_or_default()
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
        if !still_so(&ground.prepared.targets, &head.state, &draft.state, service) {
            return Err(CommandError::Stale {
                service: service.clone(),
            });
        }
        if let (true, Some(target)) = (draft.changed, ground.prepared.targets.get(service)) {
            let proof = self.handle.standing(head, &endpoints_of(target));
            lagging(&proof, ground.fleet, target, request.waivers)?;
        }
        Ok(())
    }

    /// A command with this operation id that was carried out before.
    async fn repeated(&self, request: &Request) -> Result<Option<Accepted>, CommandError> {
        let of_request = |settled: &&Settled| settled.operation_id == request.operation_id;
        if !request.dry_run
            && let Some(settled) = self.unchanged.iter().find(of_request)
        {
            same(request, settled.asked())?;
            return Ok(Some(settled.accepted.clone()));
        }
        earlier(&self.handle, request).await
    }

    /// What was asked for is so already. That leaves no revision to find it by, so it is remembered.
    fn settled(&mut self, request: &Request, head: Option<&Head>, draft: Draft) -> Accepted {
        let accepted = settled(self.handle.name(), request, head, draft);
        if !request.dry_run && !request.operation_id.is_empty() {
            self.unchanged.push_back(Settled {
                operation_id: request.operation_id.clone(),
                command: request.command.name(),
                services: request.command.services().into_iter().cloned().collect(),
                fingerprint: request.command.fingerprint(),
                accepted: accepted.clone(),
            });
            if self.unchanged.len() > REMEMBERED {
                self.unchanged.pop_front();
            }
        }
        accepted
    }
}
