//! News for a release, given to it as a command of the server's own.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    controller::{
        handle::Handle,
        request::{Command, CommandError, Request},
    },
    model::Name,
    release::{ClockKey, Signal, SignalKind},
    store::{CommitError, RevisionMeta},
};

/// A command of the server's own that was refused, or could not be stored, is given again after this, and then after twice as
/// long, up to [`LATEST`].
pub(super) const SOON: Duration = Duration::from_millis(500);

/// The longest pause between two tries: what stood in the way is gone at some time, and nobody wants to wait for long then.
pub(super) const LATEST: Duration = Duration::from_secs(15);

/// Gives a release its news.
pub(super) async fn advance(
    handle: &Handle,
    service: &Name,
    signal: Signal,
) -> Result<(), CommandError> {
    let command = Command::Advance {
        service: service.clone(),
        signal,
    };
    let request = Request::by_server(command, handle.0.shared.now());
    let outcome = handle.execute(request, &|_| {}).await.map(drop);
    tell_what_the_store_says(handle, service, &outcome);
    outcome
}

/// Whoever looks at a release that stands still must see that it is the store that stops it: nothing of it is stored.
fn tell_what_the_store_says(handle: &Handle, service: &Name, outcome: &Result<(), CommandError>) {
    let stuck = match outcome {
        Ok(()) => None,
        Err(CommandError::Commit(CommitError::Conflict { .. })) => return,
        Err(CommandError::Commit(error)) => Some(error.to_string()),
        Err(CommandError::Store(error)) => Some(error.to_string()),
        Err(_) => return,
    };
    let Some(head) = handle.head() else { return };
    let state = head.state.services.get(service);
    let Some(rollout) = state.and_then(|state| state.rollout.as_deref()) else {
        return;
    };
    if handle.set_stuck(service, ClockKey::of(rollout), stuck.clone())
        && let Some(why) = stuck
    {
        tracing::warn!(%service, release = rollout.number, "a release can't go on: {why}");
    }
}

/// The same, until it is stored. It ends with its effect, or with the server.
pub(super) async fn advance_for_sure(handle: &Handle, service: &Name, signal: Signal) {
    let mut pause = SOON;
    loop {
        match advance(handle, service, signal.clone()).await {
            Ok(()) | Err(CommandError::Stopping) => return,
            Err(error) => {
                tracing::warn!(%service, %error, "a release can't go on yet");
                sleep(pause).await;
                pause = (2 * pause).min(LATEST);
            }
        }
    }
}

/// Tells the releases whose push a revision was that it is rejected and left: they stay where they are until somebody looks.
pub(in crate::controller) async fn rejected(handle: &Handle, meta: &RevisionMeta, reason: &str) {
    let Some(head) = handle.head() else { return };
    for service in &meta.services {
        let state = head.state.services.get(service);
        let Some(rollout) = state.and_then(|state| state.rollout.as_deref()) else {
            continue;
        };
        let kind = SignalKind::Rejected {
            revision: meta.revision,
            reason: reason.to_owned(),
        };
        let release = rollout.number;
        advance_for_sure(handle, service, Signal { release, kind }).await;
    }
}
