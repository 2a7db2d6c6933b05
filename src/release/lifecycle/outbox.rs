//! Puts what a release wants done into the outbox of its service.

use jiff::Timestamp;

use super::{super::ServiceState, Effect, EffectKind, RolloutPhase};

/// Events that wait for a receiver that is down; of more, the oldest are given up: the record has them all the same.
pub const MAX_EVENTS: usize = 64;

impl ServiceState {
    /// Its release wants something done outside, once.
    pub(in crate::release) fn want(&mut self, kind: EffectKind) {
        let Some(release) = self.rollout.as_deref().map(|rollout| rollout.number) else {
            return;
        };
        self.effects += 1;
        self.outbox.push(Effect {
            id: self.effects,
            release,
            kind,
        });
    }

    /// Its release tells whoever listens into which phase it came.
    pub(in crate::release) fn tell(&mut self, at: Timestamp, phase: RolloutPhase, reason: String) {
        self.want(EffectKind::SendEvent { at, phase, reason });
        let is_event = |effect: &Effect| matches!(effect.kind, EffectKind::SendEvent { .. });
        let events = self.outbox.iter().filter(|it| is_event(it)).count();
        if events > MAX_EVENTS
            && let Some(oldest) = self.outbox.iter().position(is_event)
        {
            self.outbox.remove(oldest);
        }
    }
}
