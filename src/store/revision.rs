//! What a revision is made of.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    model::{Name, Revision},
    release::FleetState,
    snapshot::Snapshot,
};

/// A revision to be added.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The revision that the fleet must be at, [`Revision::ZERO`] for a new fleet. The new one is `expected.next()`.
    pub expected: Revision,
    /// The writer's epoch; a commit with an older epoch than one seen before is refused. One server alone: 0.
    pub epoch: u64,
    /// It may use the disk space that is kept for rollbacks: true for what goes back, false for everything else.
    pub uses_reserve: bool,
    /// Its record. `meta.revision` is `expected.next()`.
    pub meta: RevisionMeta,
    /// What was declared and decided.
    pub state: Arc<FleetState>,
    /// What was built from it; `snapshot.revision` is `expected.next()`.
    pub snapshot: Arc<Snapshot>,
}

/// The newest revision of a fleet.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its record.
    pub meta: RevisionMeta,
    /// What was declared and decided.
    pub state: Arc<FleetState>,
    /// What proxies are served: the stored bytes, never rebuilt.
    pub snapshot: Arc<Snapshot>,
    /// When it was flushed, just before anybody heard of it; None: before this server ran.
    pub durable_at: Option<Timestamp>,
}

/// A revision read back.
pub type StoredRevision = Head;

/// The record of a revision: who, when, what, why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RevisionMeta {
    /// The fleet.
    pub fleet: Name,
    /// Its number.
    pub revision: Revision,
    /// When the command arrived at the server.
    pub arrived_at: Timestamp,
    /// When the commit was made.
    pub at: Timestamp,
    /// Who gave the command.
    pub actor: String,
    /// False: the actor is only what the client claimed.
    pub actor_verified: bool,
    /// What kind of change it is; retention looks at this.
    pub kind: CommitKind,
    /// The command: `apply`, `switch`, `rollback`, `revert`, …
    pub command: String,
    /// What it did, in a sentence.
    pub what: String,
    /// Why, as the operator said, or why the server did it.
    pub why: String,
    /// The operation id of the command.
    pub operation_id: String,
    /// What the command asked beside its name and services, as a digest: a repeat asks the same. Empty: a version that did
    /// not know of it wrote the record.
    #[serde(default)]
    pub fingerprint: String,
    /// Services that it touched.
    pub services: Vec<Name>,
    /// Preconditions that were waived.
    pub waived: Vec<String>,
    /// Resources added, changed, removed.
    pub changes: (u32, u32, u32),
    /// The policy that watches the revision's delivery, as JSON of the controller; empty where nothing is watched.
    #[serde(default)]
    pub watch: serde_json::Value,
    /// What became known later.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What kind of change a revision is. Retention thins `Release` and `Endpoints` first and keeps the last 10 `Switch` per
/// service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommitKind {
    /// Documents, deployments, retirements: everything else.
    Change,
    /// A switch or a rollback of a service.
    Switch,
    /// Endpoint addresses only.
    Endpoints,
    /// Where a release stands: proxies are told nothing.
    Release,
}
