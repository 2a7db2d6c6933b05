//! Where a stream finds the fleet it belongs to.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    fleet::Ledger, model::Name, snapshot::Snapshot, telemetry::Telemetry, xds::session::Options,
};

/// What a stream needs of its fleet.
#[derive(Clone)]
pub struct FleetFeed {
    /// The newest snapshot; `None` while nothing is declared: the stream waits.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Where the stream writes what happens.
    pub ledger: Arc<Ledger>,
    /// Where load reports go.
    pub telemetry: Arc<Telemetry>,
    /// Timeouts of its sessions, and whether the operator accepts an older store.
    pub options: Options,
}

/// The fleet does not exist, and the server was told to refuse such proxies.
#[derive(Debug, thiserror::Error)]
#[error(
    "no fleet {fleet} is declared: set node.cluster to a declared fleet, or apply a document for {fleet}"
)]
pub struct UnknownFleet {
    /// What the node said.
    pub fleet: Name,
}

/// Finds fleets by name; implemented by the composition root.
pub trait Directory: Send + Sync + 'static {
    /// The feed of a fleet. A fleet that does not exist yet is waited for, unless the server refuses unknown ones.
    fn join(&self, fleet: &Name) -> Result<FleetFeed, UnknownFleet>;
}
