//! What came of a command.

use std::sync::Arc;

use crate::{
    controller::proof::Touched,
    fleet::Requirement,
    model::{NackPolicy, Name, Revision},
    release::{Moved, Notice},
    snapshot::{Change, Snapshot},
    store::RevisionMeta,
};

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

/// Where notices go that can't wait for the end of the turn.
pub type Tell<'a> = &'a (dyn Fn(Notice) + Send + Sync);

/// Milliseconds between two times; 0 where the clock was set back.
pub(in crate::controller) fn ms_between(from: jiff::Timestamp, to: jiff::Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0) * 1000.0
}
