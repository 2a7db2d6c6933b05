//! What happens when proxies reject a revision: the server itself follows each one, whoever asked for it, and takes
//! it back or reports it.

use std::sync::Arc;

use super::follower::Follower;
use crate::{
    controller::{
        engine,
        handle::Handle,
        proof::{Touched, Verdict, WatchRecord, requirement},
        request::{Accepted, Command, CommandError, Request, revert_id},
    },
    fleet::{NotAcked, NotAckedState, Proof, Requirement},
    model::{NackPolicy, OnNack, Revision},
    store::{CommitKind, Head, RevisionMeta},
};

/// So many revisions of a fleet are followed at a time: those before have been overtaken.
const FOLLOWED: u64 = 16;

/// So many rejections are quoted in a record; the rest is counted.
const QUOTED: usize = 3;

/// How a note begins that ends the watch of a revision; a restart does not begin it again.
const ACCEPTED: &str = "accepted by all";
const REJECTED: &str = "rejected by";

/// Follows a revision that was just committed.
pub(in crate::controller) fn watch(handle: &Handle, accepted: &Accepted) {
    if let Some(meta) = &accepted.meta {
        let (requirement, touched) = (accepted.requirement.clone(), accepted.touched.clone());
        begin(handle, meta, requirement, touched);
    }
}

/// After a start: follows the head again, if its watch had not come to an end.
pub(in crate::controller) fn resume(handle: &Handle, head: &Head) {
    let ended = |note: &String| note.starts_with(ACCEPTED) || note.starts_with(REJECTED);
    if !head.meta.notes.iter().any(ended) {
        let requirement = requirement(&head.meta, &head.snapshot);
        begin(handle, &head.meta, requirement, Arc::default());
    }
}

fn begin(handle: &Handle, meta: &RevisionMeta, requirement: Requirement, touched: Arc<[Touched]>) {
    if matches!(meta.kind, CommitKind::Endpoints | CommitKind::Release) {
        return;
    }
    let follower = Follower::of(handle, requirement, touched);
    if WatchRecord::of(meta).policy.is_some() {
        handle.suspect(meta.revision);
    }
    handle.spawn(follow(handle.clone(), meta.clone(), follower));
}

async fn follow(handle: Handle, meta: RevisionMeta, mut follower: Follower) {
    let policy = WatchRecord::of(&meta).policy;
    loop {
        let progress = follower.look();
        if let Some(policy) = policy
            && let Some(proof) = blamed(&handle, meta.revision, &progress.proof)
            && proof.nacked > policy.max_nack
        {
            return rejected(&handle, &meta, policy, &proof).await;
        }
        if progress.proof.is_complete() && progress.proof.total > 0 {
            let last = progress
                .proof
                .last_ack
                .map(|at| format!(", the last at {at:.3}"))
                .unwrap_or_default();
            let note = format!("{ACCEPTED} {} proxies{last}", progress.proof.total);
            annotate(&handle, meta.revision, note).await;
            handle.decide(meta.revision, Verdict::Delivered);
            return;
        }
        let newest = handle.head().map_or(0, |head| head.meta.revision.0);
        if newest > meta.revision.0 + FOLLOWED || !follower.changed().await {
            handle.acquit(meta.revision);
            return;
        }
    }
}

/// The rejections for which this revision is to blame. A proxy that was busy is sent several revisions as one, and
/// says no to the last: then the newest of them is taken back first, and those before only if that did not help.
fn blamed(handle: &Handle, revision: Revision, proof: &Proof) -> Option<Proof> {
    let is_blamed = |one: &&NotAcked| match &one.state {
        NotAckedState::Nacked { revision: of, .. } => {
            *of == revision || handle.suspect_of(*of) == Some(revision)
        }
        NotAckedState::Pending | NotAckedState::Disconnected(_) | NotAckedState::Newer(_) => false,
    };
    let not_acked: Vec<NotAcked> = proof.not_acked.iter().filter(is_blamed).cloned().collect();
    let nacked = u32::try_from(not_acked.len()).unwrap_or(u32::MAX);
    (nacked > 0).then_some(Proof {
        nacked,
        not_acked,
        ..*proof
    })
}

async fn rejected(handle: &Handle, meta: &RevisionMeta, policy: NackPolicy, proof: &Proof) {
    let (fleet, revision) = (handle.name(), meta.revision);
    let who = quote(proof);
    // Before it is taken back: then proxies say something else. Kept after it, which is not to wait for a record.
    let seen = handle
        .head()
        .map(|head| engine::Rejected::look(handle, &head, meta, proof));
    let verdict = match policy.on_nack {
        OnNack::Halt => Verdict::Left("the policy is halt".to_owned()),
        OnNack::Revert => match revert(handle, revision, &who).await {
            Ok(by) => Verdict::Reverted(by),
            Err(CommandError::Stopping) => return,
            Err(error) => Verdict::Left(error.to_string()),
        },
    };
    if let Some(seen) = seen {
        seen.enter(handle).await;
    }
    let note = match &verdict {
        Verdict::Reverted(by) => {
            tracing::warn!(%fleet, %revision, reverted_by = %by, "revision was rejected and taken back: {who}");
            format!("{REJECTED} {who}; taken back by revision {by}")
        }
        Verdict::Left(why) => {
            let reason =
                format!("revision {revision} was rejected by {who} and is left in place: {why}");
            engine::rejected(handle, meta, &reason).await;
            tracing::error!(%fleet, %revision, "revision was rejected and is left in place, {why}: {who}");
            format!("{REJECTED} {who}; left in place: {why}")
        }
        Verdict::Delivered => return,
    };
    annotate(handle, revision, note).await;
    handle.decide(revision, verdict);
}

/// Takes a revision back. Done again after a crash, it finds what it did.
async fn revert(handle: &Handle, revision: Revision, who: &str) -> Result<Revision, CommandError> {
    let request = Request {
        operation_id: revert_id(handle.name(), revision),
        message: format!("revision {revision} was rejected by {who}"),
        ..Request::by_server(Command::Revert { revision }, handle.0.shared.now())
    };
    let accepted = handle.execute(request, &|_| {}).await?;
    Ok(accepted.revision)
}

/// Who rejected what, in the proxies' own words.
fn quote(proof: &Proof) -> String {
    let mut quotes: Vec<String> = proof
        .by_name()
        .iter()
        .filter_map(|one| match &one.state {
            NotAckedState::Nacked {
                type_url,
                resources,
                message,
                ..
            } => Some(match resources.as_slice() {
                [] => format!("{} ({type_url}: {message})", one.proxy),
                names => format!("{} ({type_url} {}: {message})", one.proxy, names.join(", ")),
            }),
            NotAckedState::Pending | NotAckedState::Disconnected(_) | NotAckedState::Newer(_) => {
                None
            }
        })
        .take(QUOTED)
        .collect();
    let rest = (proof.nacked as usize).saturating_sub(quotes.len());
    if rest > 0 {
        quotes.push(format!("{rest} more"));
    }
    quotes.join(", ")
}

async fn annotate(handle: &Handle, revision: Revision, note: String) {
    let store = &handle.0.shared.store;
    if let Err(error) = store.annotate(handle.name(), revision, note).await {
        tracing::warn!(fleet = %handle.name(), %revision, %error, "a note of the history was not kept");
    }
}
