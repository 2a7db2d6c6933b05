//! What time was counted for, so that it is never taken for another phase's, nor stored twice.

use std::time::Duration;

use super::{Rollout, RolloutPhase};

/// What a stopwatch runs for: one phase of a release, or one step of it, and what is stored of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockKey {
    /// The release.
    pub release: u64,
    /// Its phase.
    pub phase: RolloutPhase,
    /// Its canary step, from 0.
    pub step: usize,
    /// Milliseconds that are stored.
    pub stored_ms: u64,
}

impl ClockKey {
    /// What a stopwatch of the release runs for now.
    pub fn of(rollout: &Rollout) -> Self {
        Self {
            release: rollout.number,
            phase: rollout.phase,
            step: rollout.step,
            stored_ms: rollout.clock.elapsed_ms,
        }
    }

    /// How much more is stored of the same phase than in `earlier`; None: it is another phase or step.
    pub fn stored_since(self, earlier: Self) -> Option<Duration> {
        let same = Self {
            stored_ms: earlier.stored_ms,
            ..self
        };
        let more = self.stored_ms.saturating_sub(earlier.stored_ms);
        (same == earlier).then_some(Duration::from_millis(more))
    }
}
