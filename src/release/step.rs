//! The contract of the state machine: what can happen to a service, and what comes of it.

use std::time::Duration;

use serde_json::Value;

use super::{Reason, ServiceState, Signal, Temporary};
use crate::model::{
    Colour, EndedBy, Endpoint, Name, Promotion, Revision, ServiceSpec, check::Verdict,
};

/// What can happen to a service.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one event is alive at a time, and is never stored"
)]
pub enum Event {
    /// Its document was applied.
    Apply {
        /// `spec` as the author wrote it: the base of the next merge.
        applied: Value,
        /// `spec` merged with what is in force, both environments included.
        spec: ServiceSpec,
        /// The standby may be replaced or emptied.
        replace_standby: bool,
        /// The live environment may be left without endpoints.
        force: bool,
    },
    /// A version is put into the environment that is not live.
    Deploy {
        /// The user's label.
        version: String,
        /// Where it runs.
        endpoints: Vec<Endpoint>,
        /// The standby may be replaced.
        replace_standby: bool,
    },
    /// The deployment of one environment runs elsewhere.
    Scale {
        /// The environment.
        colour: Colour,
        /// Where it runs now.
        endpoints: Vec<Endpoint>,
        /// The standby may be emptied.
        replace_standby: bool,
        /// The live environment may be left without endpoints.
        force: bool,
    },
    /// The traffic moves to the other environment.
    Switch {
        /// None: to the staged one, never to the standby.
        to: Option<Colour>,
        /// Also to one that has no endpoints, or was rolled back.
        force: bool,
        /// Although its gates have not passed.
        skip_gates: bool,
    },
    /// A share of the traffic moves to the staged environment.
    Shift {
        /// In percent, below 100; 0 takes it back.
        weight: u32,
        /// Also to one that was rolled back.
        force: bool,
    },
    /// Copies of live requests go to the staged environment, for a while.
    Shadow {
        /// The share, 1 to 100.
        percent: u32,
        /// For how long.
        duration: Duration,
        /// Who ends it if the server can't.
        ended_by: EndedBy,
    },
    /// Requests with a header go to the staged environment, for a while.
    Preview {
        /// Its name.
        header: String,
        /// Its whole value; None: the colour of the environment.
        value: Option<String>,
        /// For how long.
        duration: Duration,
        /// Who ends it if the server can't.
        ended_by: EndedBy,
    },
    /// A mirror or a preview ends.
    End {
        /// Which of the two.
        what: Temporary,
        /// Only the one that began in this revision; None: whichever runs.
        started_in: Option<Revision>,
    },
    /// The traffic moves back to the deployment that was live before the last switch.
    Rollback,
    /// The standby is given up.
    Retire {
        /// Although its time is not over, or something may still use it.
        force: bool,
        /// What may still use it.
        in_use: InUse,
    },
    /// A version is released: put into the other environment, validated, and so on by the service's `spec.release`.
    Release {
        /// The user's label.
        version: String,
        /// Where it runs. Empty: the provision hook says it, or it is staged already.
        endpoints: Vec<Endpoint>,
        /// Instead of `spec.release.promotion`.
        promotion: Option<Promotion>,
        /// The standby may be replaced.
        replace_standby: bool,
    },
    /// The release is told what to do.
    Steer(Verb),
    /// A person says yes or no to a `manual` check of the release.
    Decide {
        /// The check.
        check: Name,
        /// Yes or no.
        verdict: Verdict,
        /// The step of a canary that was looked at, from 1; None: the one that it is at.
        step: Option<u32>,
    },
    /// News for the release from outside.
    Signal(Signal),
    /// [`Context::addresses`](super::Context::addresses) is news: every deployment takes what its host names resolve to at present.
    Resolved,
}

/// What a release can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Run the gates against what is staged.
    Validate,
    /// Stay where it is.
    Pause,
    /// Go on.
    Resume,
    /// Go on, without what is left of the monitors of where it was paused.
    SkipMonitors,
    /// Give up; traffic that has moved goes back.
    Abort,
    /// Try again what failed.
    Retry,
    /// Let the bake or the standby last longer.
    Extend {
        /// By so much.
        by: Duration,
    },
}

impl Verb {
    /// The command, as it is typed and kept in the history.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::SkipMonitors => "skip-monitors",
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Extend { .. } => "extend",
        }
    }
}

/// What may still use a standby.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// Proxies that may still route to it, in a sentence; None: there are none.
    pub routed: Option<String>,
    /// Requests and streams that proxies report as open on it.
    pub open: u64,
    /// Proxies that have not said yet what is open on it, in a sentence; None: there are none.
    pub unheard: Option<String>,
}

/// What an event comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The service afterwards.
    pub state: ServiceState,
    /// False: nothing differs, what was asked for is so already. That is a success.
    pub changed: bool,
    /// What was done, in a sentence for the history; for an unchanged step, what is so already.
    pub what: String,
    /// The traffic that moved; for an unchanged step, the move that the command repeats.
    pub moved: Option<Moved>,
    /// What the operator should know and that stops nothing.
    pub notices: Vec<Notice>,
    /// What would have been a reason to refuse, had the operator not waived it. For the record.
    pub waived: Vec<Reason>,
    /// For an unchanged step: the revision in which it came to be so, whose delivery is the proof. None: unknown.
    pub settled_in: Option<Revision>,
    /// What kind of change it is.
    pub kind: StepKind,
}

/// Traffic of a service that goes from one environment to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The environment that had it.
    pub from: Colour,
    /// The environment that has it.
    pub to: Colour,
    /// The version in `from`; empty if there was no deployment.
    pub from_version: String,
    /// The version in `to`.
    pub to_version: String,
}

/// Something to know that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A short stable name, in kebab-case.
    pub kind: &'static str,
    /// A sentence.
    pub text: String,
}

/// What kind of change a step is; retention of the history looks at this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Documents, deployments, retirements: everything else.
    Change,
    /// The traffic moved.
    Switch,
    /// Endpoints or their addresses only.
    Endpoints,
    /// Where a release stands, and nothing that proxies are told.
    Release,
}
