//! What the world answers: hooks, analyses, proxies, time.

use std::time::Duration;

use super::ClockKey;
use crate::model::{Endpoint, Revision, check::Phase};

/// News for one release of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// The release that it is for.
    pub release: u64,
    /// What happened.
    pub kind: SignalKind,
}

/// What can happen to a release by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum SignalKind {
    /// A hook answered, or failed for good.
    HookAnswered {
        /// The effect that called it.
        effect: u64,
        /// It said yes.
        yes: bool,
        /// What it said, or what went wrong; one line.
        detail: String,
        /// Endpoints that it gave.
        endpoints: Vec<Endpoint>,
    },
    /// An analysis came to its end.
    AnalysisEnded {
        /// The run.
        analysis: u64,
        /// How.
        phase: Phase,
        /// What failed, with the numbers; one line.
        reason: String,
    },
    /// Every proxy that is connected has accepted what was pushed.
    Delivered {
        /// The push.
        revision: Revision,
        /// Who has not accepted it and is not waited for, in a sentence; empty: there is none.
        lacking: String,
    },
    /// Proxies that had accepted the switch are gone.
    Silent {
        /// Which, and for how long; one line.
        reason: String,
    },
    /// Proxies rejected what was pushed, more of them than may, and it is left in place.
    Rejected {
        /// The push.
        revision: Revision,
        /// Who, and why it is left; one line.
        reason: String,
    },
    /// Time went by in which the server ran and proxies reported.
    Elapsed {
        /// What it was counted for: time of another phase, or that is stored by now, is stale.
        of: ClockKey,
        /// How much, beyond what is stored.
        time: Duration,
    },
    /// A command that the server gave itself was refused; it tries again.
    Held {
        /// The effect.
        effect: u64,
        /// Why; one line.
        reason: String,
    },
    /// Events were delivered.
    Sent {
        /// Their effects.
        effects: Vec<u64>,
    },
}

impl Signal {
    /// It may take traffic back: nothing stands before it in a queue, and it may use what is kept for that.
    pub fn may_go_back(&self) -> bool {
        match &self.kind {
            SignalKind::AnalysisEnded { phase, .. } => *phase != Phase::Successful,
            SignalKind::Silent { .. } => true,
            _ => false,
        }
    }
}
