//! From a request to its turn and back.

use tokio::sync::oneshot;

use super::{prepare::prepare, recall::earlier};
use crate::{
    controller::{
        handle::{Handle, Turn},
        request::{Accepted, CommandError, Request, Tell, moved_on},
    },
    model::Revision,
    release::{Reason, Refusal},
};

/// What was checked before the turn may have changed by then; after so many times it is somebody's loop.
const ATTEMPTS: usize = 3;

impl Handle {
    /// Carries a command out; returns when it is durable. `tell` hears of what can't wait until then.
    ///
    /// # Errors
    /// Nothing was changed, but for a commit whose outcome is unknown.
    pub async fn execute(
        &self,
        request: Request,
        tell: Tell<'_>,
    ) -> Result<Accepted, CommandError> {
        // A repeated command must not be refused by checks that its first run has passed.
        if let Some(accepted) = earlier(self, &request).await? {
            return Ok(accepted);
        }
        // Said before anything else is: what the operator looked at is gone, and the rest follows from that.
        self.require_revision(request.if_revision)?;
        for _ in 0..ATTEMPTS {
            let prepared = prepare(self, &request, tell).await?;
            let unresolved: Vec<String> = prepared
                .unresolved
                .iter()
                .map(|one| one.detail.clone())
                .collect();
            let (reply, answer) = oneshot::channel();
            let turn = Turn {
                request: request.clone(),
                prepared,
                reply,
                _lease: self.lease(),
            };
            self.0.queue.enter(turn).await?;
            match answer.await.map_err(|_| CommandError::Stopping)? {
                Err(CommandError::Stale { .. }) => {}
                Err(CommandError::Refused(refusal)) => {
                    return Err(explained(refusal, &unresolved).into());
                }
                other => return other,
            }
        }
        Err(Refusal::new(
            Reason::FleetMovedOn,
            format!(
                "what the command is about changed again and again while it was checked, {ATTEMPTS} times"
            ),
            "look at who changes it (`bluegreen history`), then try again",
        )
        .into())
    }

    /// Refuses unless the fleet is at that revision, if one is wanted.
    pub(super) fn require_revision(&self, wanted: Option<Revision>) -> Result<(), Refusal> {
        let at = self
            .head()
            .map_or(Revision::ZERO, |head| head.meta.revision);
        match wanted.filter(|wanted| *wanted != at) {
            Some(wanted) => Err(moved_on(self.name(), wanted, at)),
            None => Ok(()),
        }
    }
}

/// A name that does not resolve is refused by the state machine, which does not know why it does not.
fn explained(mut refusal: Refusal, unresolved: &[String]) -> Refusal {
    if refusal.reason == Reason::EndpointUnresolved && !unresolved.is_empty() {
        refusal.message = format!("{} ({})", refusal.message, unresolved.join("; "));
    }
    refusal
}
