//! What commands about environments mean for the release that is on its way: a change of what was validated re-opens the
//! gates, a replaced deployment ends its release, and what carries traffic stays as it is.

use super::{
    super::{Environment, Refusal, Role, draft::Draft},
    Rollout, RolloutPhase,
};
use crate::model::Endpoint;

impl Draft<'_> {
    /// Brings the release in line with its environments after a command that may have changed them.
    pub(in crate::release) fn reconcile(&mut self) -> Result<(), Refusal> {
        let Some(rollout) = self.state.rollout.as_deref().cloned() else {
            return Ok(());
        };
        let standing = rollout.standing();
        if matches!(
            standing,
            RolloutPhase::Completed
                | RolloutPhase::Aborted
                | RolloutPhase::RolledBack
                | RolloutPhase::RollingBack
        ) {
            return Ok(());
        }
        let environment = self.state.environment(rollout.to.colour);
        match standing {
            // What somebody deploys meanwhile is not for the hook to replace.
            RolloutPhase::Provisioning if self.state.deployments > rollout.deployments => {
                self.enter(
                    RolloutPhase::Aborted,
                    "another version was deployed while its environment was made",
                );
            }
            RolloutPhase::Failed if rollout.to.deployment == 0 => {}
            RolloutPhase::Failed
            | RolloutPhase::Staged
            | RolloutPhase::Validating
            | RolloutPhase::Ready
            | RolloutPhase::Shadowing => {
                if let Some(instead) = replaced(&rollout, environment) {
                    self.enter(RolloutPhase::Aborted, instead);
                } else if standing != RolloutPhase::Failed && self.reopened(&rollout) {
                    self.stage(" with other endpoints, so its gates are open again");
                    if rollout.phase == RolloutPhase::Paused {
                        self.pause(with_other_endpoints(&rollout, self.state.name.as_str()));
                    }
                }
            }
            RolloutPhase::Shifting => {
                let validated = rollout.validated.as_ref().map(|it| it.endpoints.clone());
                let declared = self.declared(rollout.to.colour);
                let other = validated.is_some_and(|validated| validated != declared);
                if replaced(&rollout, environment).is_some() || other {
                    return Err(self.running("what it has traffic on can't be changed"));
                }
            }
            RolloutPhase::Switching
            | RolloutPhase::Baking
            | RolloutPhase::Standby
            | RolloutPhase::Retiring => {
                let old = self.state.environment(rollout.to.colour.other());
                if rollout.from.is_some() && old.role != Role::Standby {
                    self.enter(RolloutPhase::Completed, "the standby was given up");
                }
            }
            RolloutPhase::Provisioning
            | RolloutPhase::Completed
            | RolloutPhase::Paused
            | RolloutPhase::RollingBack
            | RolloutPhase::RolledBack
            | RolloutPhase::Aborted => {}
        }
        Ok(())
    }

    /// Gates have passed, or run, for other endpoints than those of now; or proxies have newer ones to accept.
    fn reopened(&self, rollout: &Rollout) -> bool {
        let declared = self.declared(rollout.to.colour);
        let stands_for: Option<&Vec<Endpoint>> = match (&rollout.validated, rollout.standing()) {
            (Some(validated), _) => Some(&validated.endpoints),
            (None, RolloutPhase::Validating) => Some(&rollout.subject),
            (None, _) => None,
        };
        match stands_for {
            Some(endpoints) => *endpoints != declared,
            None => {
                rollout.standing() == RolloutPhase::Staged
                    && rollout.pushed.is_some()
                    && rollout.pushed != self.introduced(rollout.to.colour)
            }
        }
    }
}

/// Why a paused release stays paused whose endpoints changed: what was said of those before does not hold any more.
fn with_other_endpoints(rollout: &Rollout, service: &str) -> String {
    let now = format!(
        "it has other endpoints since it was paused: `bluegreen resume {service}` runs its gates again; it was paused: "
    );
    match rollout.reason.starts_with(&now) {
        true => rollout.reason.clone(),
        false => now + &rollout.reason,
    }
}

/// Why the deployment of a release is no longer in its environment, if it is not.
fn replaced(rollout: &Rollout, environment: &Environment) -> Option<String> {
    let to = &rollout.to;
    match &environment.deployment {
        Some(present) if present.number == to.deployment => None,
        Some(present) => Some(format!(
            "{} was replaced by {} in {}",
            to.version, present.version, to.colour
        )),
        None => Some(format!("{} was taken out of {}", to.version, to.colour)),
    }
}
