//! Whether a release waits for a person.

use super::{EffectKind, RolloutPhase};
use crate::{model::HookKind, release::ServiceState};

impl ServiceState {
    /// The release goes on only by a command of a person: it is paused, or ready, and the server is not about to move the
    /// traffic by itself.
    pub fn waits_for_command(&self) -> bool {
        let Some(rollout) = self.rollout.as_deref() else {
            return false;
        };
        match rollout.phase {
            RolloutPhase::Paused => true,
            RolloutPhase::Ready => !self.outbox.iter().any(|effect| {
                let hook = HookKind::ConfirmPromotion;
                effect.release == rollout.number
                    && (effect.kind == EffectKind::Promote
                        || effect.kind == EffectKind::CallHook { hook })
            }),
            _ => false,
        }
    }
}
