//! What a release wants done outside: analyses, hooks, events, and commands that the server gives itself.
//!
//! Effects are stored in the same commit as what they follow from. Each is done at least once, under its id, and again
//! after a crash; it leaves the outbox with the signal that says what came of it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{super::ServiceState, RolloutPhase};
use crate::model::HookKind;

/// Events that wait for a receiver that is down; of more, the oldest are given up: the record has them all the same.
pub const MAX_EVENTS: usize = 64;

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Unique in the service, and never used again.
    pub id: u64,
    /// The release that wants it.
    pub release: u64,
    /// What.
    pub kind: EffectKind,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "do")]
pub enum EffectKind {
    /// Run checks. An analysis that is running and no longer in the outbox is cancelled.
    #[serde(rename_all = "camelCase")]
    Analyse {
        /// The run's number in its release.
        analysis: u64,
        /// Which checks.
        purpose: Purpose,
        /// Its time is over: checks that would go on measuring give their last word.
        finish: bool,
    },
    /// Call a hook.
    #[serde(rename_all = "camelCase")]
    CallHook {
        /// Which.
        hook: HookKind,
    },
    /// Give the command `switch`, with the preconditions that it always has.
    Promote,
    /// Give the command `retire`, with the preconditions that it always has.
    Retire,
    /// Tell whoever listens that the release has come to another phase.
    #[serde(rename_all = "camelCase")]
    SendEvent {
        /// When it came there.
        at: Timestamp,
        /// The phase.
        phase: RolloutPhase,
        /// Why.
        reason: String,
    },
}

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

/// What an analysis is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// The gates before any traffic moves.
    Validation,
    /// Monitors while traffic is mirrored.
    Shadow,
    /// Monitors of a canary step.
    Step,
    /// Monitors of the bake.
    Bake,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 4] = [Self::Validation, Self::Shadow, Self::Step, Self::Bake];

    /// As it is shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Shadow => "shadow",
            Self::Step => "step",
            Self::Bake => "bake",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
