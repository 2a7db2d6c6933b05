//! What a release wants done outside: analyses, hooks, events, and commands that the server gives itself.
//!
//! Effects are stored in the same commit as what they follow from. Each is done at least once, under its id, and again
//! after a crash; it leaves the outbox with the signal that says what came of it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RolloutPhase;
use crate::model::HookKind;

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
