//! The contract of the state machine: what can happen to a service, and what comes of it.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{Reason, Refusal, ServiceState, Signal, Temporary, draft::Draft};
use crate::model::{
    Colour, EndedBy, Endpoint, NackWish, Name, Promotion, Revision, ServiceSpec, check::Verdict,
};

/// What a step must know of the world.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The revision that this step would make.
    pub revision: Revision,
    /// When the command arrived.
    pub now: Timestamp,
    /// What host names resolve to at present. A name that is missing or has no addresses does not resolve.
    pub addresses: BTreeMap<String, Vec<IpAddr>>,
    /// Who gives the command.
    pub actor: String,
    /// The server gives the command itself.
    pub by_server: bool,
    /// Why, as the operator said, or why the server does it.
    pub why: String,
    /// What the operator says of proxies that reject what this step pushes; kept with the release that it begins or moves.
    pub policy: NackWish,
    /// Preconditions that were waived outside of the state machine, by name; kept with the release.
    pub waived: Vec<String>,
    /// Somebody listens for events.
    pub events: bool,
    /// Who can end a mirror that a release begins.
    pub ended_by: EndedBy,
    /// Time that counted in the phase of the service's release, beyond what is stored of it: kept where the phase is left to
    /// be taken up again.
    pub counted: Duration,
}

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
    /// The gates run against what is staged.
    Validate,
    /// The release stays where it is.
    Pause,
    /// It goes on.
    Resume,
    /// It is given up; traffic that has moved goes back.
    Abort,
    /// What failed is tried again.
    Retry,
    /// The bake or the standby lasts longer.
    Extend {
        /// By so much.
        by: Duration,
    },
    /// A person says yes or no to a `manual` check of the release.
    Decide {
        /// The check.
        check: Name,
        /// Yes or no.
        verdict: Verdict,
    },
    /// News for the release from outside.
    Signal(Signal),
    /// [`Context::addresses`] is news: every deployment takes what its host names resolve to at present.
    Resolved,
}

/// What may still use a standby.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// Proxies that may still route to it, in a sentence; None: there are none.
    pub routed: Option<String>,
    /// Requests and streams that proxies report as open on it.
    pub open: u64,
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

/// Makes a service from its first document. Its deployments are numbered from 1, the live one first.
///
/// # Errors
/// `live-would-be-empty` if an environment is declared but the live one has no endpoints; `endpoint-unresolved`.
/// A service that declares no environment at all is accepted: its first version comes by `deploy` and `switch`.
pub fn create(
    name: Name,
    applied: Value,
    spec: ServiceSpec,
    context: &Context,
) -> Result<Step, Refusal> {
    Draft::create(name, applied, spec, context)
}

/// What `event` makes of a service. A refusal changes nothing.
///
/// # Errors
/// The table of roles and commands (`tests/table.golden.txt`) has every refusal.
pub fn step(state: &ServiceState, event: &Event, context: &Context) -> Result<Step, Refusal> {
    let mut draft = Draft::of(state, context);
    let done = match event {
        Event::Apply {
            applied,
            spec,
            replace_standby,
            force,
        } => draft.apply(applied, spec, *replace_standby, *force),
        Event::Deploy {
            version,
            endpoints,
            replace_standby,
        } => draft.deploy(version, endpoints, *replace_standby),
        Event::Scale {
            colour,
            endpoints,
            replace_standby,
            force,
        } => draft.scale(*colour, endpoints, *replace_standby, *force),
        Event::Switch {
            to,
            force,
            skip_gates,
        } => draft.switch(*to, *force, *skip_gates),
        Event::Shift { weight, force } => draft.shift(*weight, *force),
        Event::Shadow {
            percent,
            duration,
            ended_by,
        } => draft.shadow(*percent, *duration, *ended_by),
        Event::Preview {
            header,
            value,
            duration,
            ended_by,
        } => draft.preview(header, value.as_deref(), *duration, *ended_by),
        Event::End { what, started_in } => Ok(draft.end(*what, *started_in)),
        Event::Rollback => draft.rollback(),
        Event::Retire { force, in_use } => draft.retire(*force, in_use),
        Event::Resolved => draft.resolved(),
        Event::Release {
            version,
            endpoints,
            promotion,
            replace_standby,
        } => draft.release(version, endpoints, *promotion, *replace_standby),
        Event::Validate => draft.validate_again(),
        Event::Pause => draft.hold(),
        Event::Resume => draft.resume(),
        Event::Abort => draft.abort(),
        Event::Retry => draft.retry(),
        Event::Extend { by } => draft.extend(*by),
        Event::Decide { check, verdict } => draft.decide(check, *verdict),
        Event::Signal(signal) => draft.signal(signal),
    }?;
    draft.reconcile()?;
    Ok(draft.finish(state, done))
}
