//! From a request to its turn and back.

use tokio::sync::oneshot;

use super::{
    Accepted, Command, CommandError, Handle, Request, Verb,
    error::moved_on,
    prepare::{Tell, prepare},
    turn::Turn,
};
use crate::{
    model::check::Verdict as CheckVerdict,
    model::{Name, Revision},
    release::{Reason, Refusal, Temporary},
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
        if let Some(accepted) = self.repeated(&request).await? {
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
            let queue = if request.command.is_urgent() {
                &self.0.urgent
            } else {
                &self.0.ordinary
            };
            queue.send(turn).await.map_err(|_| CommandError::Stopping)?;
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
                "the target of the switch changed again and again while it was checked, {ATTEMPTS} times"
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

    async fn repeated(&self, request: &Request) -> Result<Option<Accepted>, CommandError> {
        let id = &request.operation_id;
        if id.is_empty() || request.dry_run {
            return Ok(None);
        }
        match self.0.shared.store.operation(self.name(), id).await? {
            // One that is another command is refused in the turn.
            Some(meta) if meta.command == request.command.name() => {
                super::record::recall(self, meta).await.map(Some)
            }
            _ => Ok(None),
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

impl Command {
    /// As it is kept in the history.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Apply { .. } => "apply",
            Self::Delete { .. } => "delete",
            Self::Deploy { .. } => "deploy",
            Self::Scale { .. } => "scale",
            Self::Switch { .. } => "switch",
            Self::Rollback { .. } => "rollback",
            Self::SwitchGroup { .. } => "switch-group",
            Self::RollbackGroup { .. } => "rollback-group",
            Self::Shift { .. } => "shift",
            Self::Shadow { .. } => "shadow",
            Self::Preview { .. } => "preview",
            Self::End {
                what: Temporary::Shadow,
                ..
            } => "end-shadow",
            Self::End {
                what: Temporary::Preview,
                ..
            } => "end-preview",
            Self::RollbackFleet { .. } => "rollback-fleet",
            Self::Retire { .. } => "retire",
            Self::Release { .. } => "release",
            Self::Steer { verb, .. } => verb.name(),
            Self::Advance { .. } => "advance",
            Self::Decide { verdict, .. } => match verdict {
                CheckVerdict::Approved => "approve",
                CheckVerdict::Rejected => "reject",
            },
            Self::Rebuild => "rebuild",
            Self::Resolved { .. } => "endpoints",
            Self::Revert { .. } => "revert",
        }
    }

    /// The service that it is for, if it is for one.
    pub fn service(&self) -> Option<&Name> {
        match self {
            Self::Deploy { service, .. }
            | Self::Scale { service, .. }
            | Self::Switch { service, .. }
            | Self::Rollback { service }
            | Self::Shift { service, .. }
            | Self::Shadow { service, .. }
            | Self::Preview { service, .. }
            | Self::End { service, .. }
            | Self::Release { service, .. }
            | Self::Steer { service, .. }
            | Self::Advance { service, .. }
            | Self::Decide { service, .. }
            | Self::Retire { service, .. } => Some(service),
            _ => None,
        }
    }

    /// The services whose new environment must be fit for traffic.
    pub(super) fn checked(&self) -> &[Name] {
        match self {
            Self::Switch { service, .. } | Self::Shift { service, .. } => {
                std::slice::from_ref(service)
            }
            Self::SwitchGroup { services } => services,
            _ => &[],
        }
    }

    /// It goes back to what worked: it waits for no other command, and may use the disk space kept for it.
    pub(super) fn is_urgent(&self) -> bool {
        if let Self::Advance { signal, .. } = self {
            return signal.may_go_back();
        }
        matches!(
            self,
            Self::Rollback { .. }
                | Self::RollbackGroup { .. }
                | Self::RollbackFleet { .. }
                | Self::Revert { .. }
                | Self::End { .. }
                | Self::Steer {
                    verb: Verb::Abort,
                    ..
                }
        )
    }

    /// The server gives it itself, and nobody else can.
    pub(super) fn is_internal(&self) -> bool {
        matches!(
            self,
            Self::Resolved { .. } | Self::Revert { .. } | Self::Advance { .. }
        )
    }

    /// Rejections of its revision are acted on. What goes back is never taken back itself.
    pub(super) fn is_watched(&self) -> bool {
        !self.is_urgent() && !matches!(self, Self::Resolved { .. })
    }

    /// Reference checks don't stop it. What goes back to an earlier state is as good as that was.
    pub(super) fn insists(&self) -> bool {
        match self {
            Self::Apply { no_verify, .. } | Self::Delete { no_verify, .. } => *no_verify,
            _ => self.is_urgent(),
        }
    }
}
