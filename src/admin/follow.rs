//! Watching a revision's delivery for one client, until there is nothing more to wait for.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tonic::Status;

use super::views;
use crate::{
    api::{self, command_event::Event},
    controller::{Accepted, Ended, Follower, Handle, Progress, Verdict},
    model::Revision,
};

/// A rejection is acted on by the server in milliseconds; a client waits no longer than this to hear what was done.
const VERDICT_GRACE: Duration = Duration::from_secs(5);

/// How the watching of one fleet ended.
pub(super) struct End {
    pub delivery: api::Delivery,
    pub how: How,
}

/// Why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Every proxy of the roster has accepted.
    Complete,
    /// The time was over, or the client or the server went away, or it was not to be waited for.
    Open,
    /// Rejected by more than allowed, and taken back.
    Reverted(Revision),
    /// Rejected by more than allowed, and left.
    Left(String),
}

/// Watches until the fleet has accepted or rejected, the deadline, or the client is gone. Sends what changes.
pub(super) async fn follow(
    handle: &Handle,
    accepted: &Accepted,
    wait: Duration,
    deadline: Instant,
    sender: &mpsc::Sender<Result<api::CommandEvent, Status>>,
) -> End {
    let arrived_at = arrival(handle, accepted).await;
    let mut follower = Follower::new(handle, accepted);
    let allowed = accepted.policy().max_nack;
    let mut sent = None;
    let mut verdict_until = None;
    loop {
        let progress = follower.look();
        let end = |how| End {
            delivery: views::delivery(handle.name(), &progress, arrived_at),
            how,
        };
        let delivery = views::brief(handle.name(), &progress, arrived_at);
        if sent.as_ref() != Some(&delivery) {
            let event = api::CommandEvent {
                event: Some(Event::Delivery(delivery.clone())),
            };
            if wait.is_zero() {
                let _ = sender.try_send(Ok(event));
            } else if sender.send(Ok(event)).await.is_err() {
                return end(How::Open);
            }
            sent = Some(delivery);
        }
        if let Some(how) = decided(handle, accepted, &progress).await {
            return end(how);
        }
        if progress.proof.is_complete() {
            if !wait.is_zero() {
                handle.go_on(accepted.revision).await;
            }
            return end(How::Complete);
        }
        if wait.is_zero() || Instant::now() >= deadline {
            return end(How::Open);
        }
        let mut until = deadline;
        if progress.proof.nacked > allowed {
            let verdict_until =
                *verdict_until.get_or_insert_with(|| Instant::now() + VERDICT_GRACE);
            if Instant::now() >= verdict_until || !accepted.is_watched() {
                return end(How::Left("nothing takes it back".to_owned()));
            }
            until = until.min(verdict_until);
        } else if progress.proof.nacked > 0
            && progress.proof.pending + progress.proof.disconnected == 0
        {
            // The rest has rejected it, which was allowed: nobody is left to wait for.
            return end(How::Open);
        }
        tokio::select! {
            changed = timeout_at(until, follower.changed()) => {
                if matches!(changed, Ok(false)) {
                    return end(How::Open);
                }
            }
            () = sender.closed() => return end(How::Open),
        }
    }
}

/// What the server has decided about a rejected revision, in this run or before.
async fn decided(handle: &Handle, accepted: &Accepted, progress: &Progress) -> Option<How> {
    match &progress.verdict {
        Some(Verdict::Reverted(by)) => Some(How::Reverted(*by)),
        Some(Verdict::Left(why)) => Some(How::Left(why.clone())),
        Some(Verdict::Delivered) => None,
        None if accepted.ended == Ended::Repeated => handle
            .reverted_by(accepted.revision)
            .await
            .map(How::Reverted),
        None => None,
    }
}

/// When the command arrived that made the revision: for a repeat, the first one.
async fn arrival(handle: &Handle, accepted: &Accepted) -> Option<Timestamp> {
    match &accepted.meta {
        Some(meta) => Some(meta.arrived_at),
        None => handle
            .meta(accepted.revision)
            .await
            .map(|meta| meta.arrived_at),
    }
}
