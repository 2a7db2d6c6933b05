//! From a plan to a flushed commit.
//!
//! Named invariant: **known only when durable**: nothing is answered or published before the commit returned.

use std::sync::Arc;

use crate::{
    controller::{
        handle::Handle,
        plan::Draft,
        proof::{Touched, WatchRecord, requirement},
        request::{Accepted, Command, CommandError, Ended, Plan, Request, ms_between},
    },
    fault,
    model::{NackPolicy, OnNack},
    snapshot::ChangeKind,
    store::{Commit, CommitKind, RevisionMeta},
};

/// Stores a draft as the next revision; returns when it is durable.
pub(super) async fn commit(
    handle: &Handle,
    request: &Request,
    draft: Draft,
    plan: Plan,
) -> Result<Accepted, CommandError> {
    let shared = &handle.0.shared;
    let count = |kind| plan.changes.iter().filter(|one| one.kind == kind).count() as u32;
    let policy = policy(request, &draft);
    let record = WatchRecord::new(policy, &draft.moved);
    let meta = RevisionMeta {
        fleet: handle.name().clone(),
        revision: plan.from.next(),
        arrived_at: request.arrived_at,
        at: shared.now(),
        actor: request.actor.clone(),
        actor_verified: request.actor_verified,
        kind: draft.kind.unwrap_or(CommitKind::Change),
        command: request.command.name().to_owned(),
        what: draft.what(),
        why: request.message.clone(),
        operation_id: request.operation_id.clone(),
        fingerprint: request.command.fingerprint(),
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
    Ok(Accepted {
        ended: Ended::Committed,
        fleet: handle.name().clone(),
        revision: head.meta.revision,
        what: head.meta.what.clone(),
        requirement: requirement(&head.meta, &head.snapshot),
        durable_ms: ms_between(
            request.arrived_at,
            head.durable_at.unwrap_or_else(|| shared.now()),
        ),
        meta: Some(head.meta.clone()),
        touched: Touched::of(&plan.changes, &plan.new),
        plan: Some(plan),
        watch: record.policy,
        service: request.command.service().cloned(),
        moved: draft.moved,
        notices: draft.notices,
    })
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
