//! A command as a value: what is asked of a fleet, by whom, and what came of it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{Addresses, delivery::Touched};
use crate::{
    fleet::Requirement,
    model::{
        Colour, DocumentKind, Endpoint, GroupSpec, NackPolicy, NackWish, Name, Promotion,
        ResourceSet, Revision, ServiceSpec, check::Verdict as CheckVerdict,
    },
    release::{Event, Moved, Notice, Signal, Temporary},
    snapshot::{Change, Snapshot},
    store::RevisionMeta,
};

/// One command on one fleet.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Unique per command: the same id again does nothing twice.
    pub operation_id: String,
    /// Who asks.
    pub actor: String,
    /// False: the actor is only what the client claims.
    pub actor_verified: bool,
    /// Why, for the history.
    pub message: String,
    /// Plan and check only.
    pub dry_run: bool,
    /// Refuse unless the fleet is at exactly this revision.
    pub if_revision: Option<Revision>,
    /// When the command arrived at the server.
    pub arrived_at: Timestamp,
    /// What the operator says of proxies that reject the revision.
    pub policy: NackWish,
    /// Preconditions that the operator gives up.
    pub waivers: Waivers,
}

/// What can be asked of a fleet.
#[derive(Clone, Debug)]
pub enum Command {
    /// Declare documents.
    Apply {
        /// Those of this fleet.
        documents: Documents,
        /// Insist on resources whose references lead nowhere.
        no_verify: bool,
        /// The standby may be replaced or emptied.
        replace_standby: bool,
        /// The live environment may be left without endpoints.
        force: bool,
    },
    /// Delete one declared document.
    Delete {
        /// Which kind.
        kind: DocumentKind,
        /// Its name.
        name: Name,
        /// Insist on what is left, though its references lead nowhere.
        no_verify: bool,
    },
    /// Put a version into the environment that is empty or staged.
    Deploy {
        /// The service.
        service: Name,
        /// The user's label.
        version: String,
        /// Where it runs.
        endpoints: Vec<Endpoint>,
        /// The standby may be replaced.
        replace_standby: bool,
    },
    /// Other endpoints for the deployment of one environment.
    Scale {
        /// The service.
        service: Name,
        /// The environment.
        colour: Colour,
        /// Where it runs now.
        endpoints: Vec<Endpoint>,
        /// The standby may be emptied.
        replace_standby: bool,
        /// The live environment may be left without endpoints.
        force: bool,
    },
    /// Move the traffic to the other environment.
    Switch {
        /// The service.
        service: Name,
        /// None: to the staged one.
        to: Option<Colour>,
    },
    /// Move the traffic back.
    Rollback {
        /// The service.
        service: Name,
    },
    /// Move the traffic of several services to their staged environments: all of them in one revision, or none.
    SwitchGroup {
        /// The services, each once.
        services: Vec<Name>,
    },
    /// Move the traffic of several services back: all of them in one revision, or none.
    RollbackGroup {
        /// The services, each once.
        services: Vec<Name>,
    },
    /// Move a share of the traffic to the staged environment.
    Shift {
        /// The service.
        service: Name,
        /// In percent, below 100.
        weight: u32,
    },
    /// Mirror a share of the live requests to the staged environment, for a while.
    Shadow {
        /// The service.
        service: Name,
        /// 1 to 100.
        percent: u32,
        /// For how long.
        duration: Duration,
    },
    /// Send requests with a header to the staged environment, for a while.
    Preview {
        /// The service.
        service: Name,
        /// The header's name.
        header: String,
        /// Its value; None: the colour of the environment.
        value: Option<String>,
        /// For how long.
        duration: Duration,
    },
    /// End a mirror or a preview. Given by the server itself too, at its deadline.
    End {
        /// The service.
        service: Name,
        /// Which of the two.
        what: Temporary,
        /// Only the one that began in this revision; None: whichever runs.
        started_in: Option<Revision>,
    },
    /// Restore an earlier revision of the fleet.
    RollbackFleet {
        /// Which.
        to: Revision,
        /// With the endpoints of that time.
        exact: bool,
        /// Services that would vanish may vanish.
        yes: bool,
    },
    /// Give up the standby.
    Retire {
        /// The service.
        service: Name,
        /// Although proxies may still route to it.
        force: bool,
    },
    /// Release a version: provision, stage, validate, and what follows by the service's `spec.release`.
    Release {
        /// The service.
        service: Name,
        /// The user's label.
        version: String,
        /// Where it runs. Empty: the provision hook says it, or it is staged already.
        endpoints: Vec<Endpoint>,
        /// Instead of `spec.release.promotion`.
        promotion: Option<Promotion>,
        /// The standby may be replaced.
        replace_standby: bool,
    },
    /// Tell the release of a service what to do.
    Steer {
        /// The service.
        service: Name,
        /// What.
        verb: Verb,
    },
    /// Say yes or no to a `manual` check of the release of a service.
    Decide {
        /// The service.
        service: Name,
        /// The check.
        check: Name,
        /// Yes or no.
        verdict: CheckVerdict,
    },
    /// News for the release of a service. Given by the server itself.
    Advance {
        /// The service.
        service: Name,
        /// The news.
        signal: Signal,
    },
    /// Build all resources anew.
    Rebuild,
    /// Endpoint names resolve to other addresses now. Given by the server itself.
    Resolved {
        /// What they resolve to.
        addresses: Addresses,
    },
    /// Take a rejected revision back. Given by the server itself.
    Revert {
        /// The revision that was rejected.
        revision: Revision,
    },
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
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Extend { .. } => "extend",
        }
    }

    /// What it is to the state machine.
    pub(super) fn event(self) -> Event {
        match self {
            Self::Validate => Event::Validate,
            Self::Pause => Event::Pause,
            Self::Resume => Event::Resume,
            Self::Abort => Event::Abort,
            Self::Retry => Event::Retry,
            Self::Extend { by } => Event::Extend { by },
        }
    }
}

/// Documents of one fleet.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// `kind: Service`.
    pub services: Vec<Declared<ServiceSpec>>,
    /// `kind: EnvoyResources`.
    pub resources: Vec<Declared<ResourceSet>>,
    /// `kind: Group`.
    pub groups: Vec<Declared<GroupSpec>>,
}

/// One document as it was read.
#[derive(Clone, Debug)]
pub struct Declared<T> {
    /// `metadata.name`.
    pub name: Name,
    /// `spec`, parsed.
    pub spec: T,
    /// `spec` as it was written: the base of the next three-way merge.
    pub applied: Value,
}

/// Preconditions of a switch that the operator gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waivers {
    /// So many proxies of the roster may not have the target's endpoints yet.
    pub allow_lagging: u32,
    /// Don't ask the target's endpoints whether they answer.
    pub skip_probe: bool,
    /// The gates need not have passed.
    pub skip_gates: bool,
    /// All of them, and an environment that was rolled back may go live again.
    pub force: bool,
}

impl Waivers {
    /// A switch with these preconditions given up.
    pub(super) fn switch(&self, to: Option<Colour>) -> Event {
        Event::Switch {
            to,
            force: self.force,
            skip_gates: self.skip_gates,
        }
    }
}

/// How a command's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A revision was committed.
    Committed,
    /// A command with this operation id was committed before.
    Repeated,
    /// What was asked for was so already.
    Unchanged,
    /// Planned only.
    Planned,
}

/// A command that was accepted: durable, where it changed something.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// How its turn ended.
    pub ended: Ended,
    /// The fleet.
    pub fleet: Name,
    /// The revision that has what was asked for. For a plan, the one it starts from.
    pub revision: Revision,
    /// The record of `revision`; None for a plan, or when it is no longer kept.
    pub meta: Option<RevisionMeta>,
    /// What was done, in a sentence.
    pub what: String,
    /// What changed, or would; None where nothing did, and for a repeat.
    pub plan: Option<Plan>,
    /// What changed, with its new content.
    pub touched: Arc<[Touched]>,
    /// What a proxy must have accepted for this command to have reached it.
    pub requirement: Requirement,
    /// What the revision's watch does about rejections; None: nothing.
    pub watch: Option<NackPolicy>,
    /// The service that the command was for, if it was for one.
    pub service: Option<Name>,
    /// The services whose traffic moved.
    pub moved: Vec<(Name, Moved)>,
    /// What the operator should know.
    pub notices: Vec<Notice>,
    /// From arrival to the flushed commit, in milliseconds.
    pub durable_ms: f64,
}

impl Accepted {
    /// Rejections of the revision are acted on by the server.
    pub fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// What is done about rejections; where nothing is, the default says from how many on they are reported.
    pub fn policy(&self) -> NackPolicy {
        self.watch.unwrap_or_default()
    }
}

/// What a command changes in the resources.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The revision it starts from.
    pub from: Revision,
    /// Resource by resource.
    pub changes: Vec<Change>,
    /// Before.
    pub old: Arc<Snapshot>,
    /// After.
    pub new: Arc<Snapshot>,
}
