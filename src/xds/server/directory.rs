//! Where a stream finds the fleet it belongs to.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::Status;

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
    /// Held for as long as the stream lives: a fleet that is not declared is given up when nobody is in it.
    pub lease: Option<Arc<dyn Send + Sync>>,
    /// Timeouts of its sessions, and whether the operator accepts an older store.
    pub options: Options,
}

/// Why a proxy is not taken.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The fleet does not exist, and the server was told to refuse such proxies.
    #[error(
        "no fleet {fleet} is declared: correct what names the fleet in the proxy's node, or apply a document for {fleet}"
    )]
    Unknown {
        /// What the node said.
        fleet: Name,
    },
    /// The fleet does not exist, and too many others are waited for already.
    #[error("{reason}")]
    TooManyWait {
        /// How many, and what to do.
        reason: String,
    },
}

impl From<JoinError> for Status {
    fn from(error: JoinError) -> Self {
        let message = error.to_string();
        match error {
            JoinError::Unknown { .. } => Status::not_found(message),
            JoinError::TooManyWait { .. } => Status::resource_exhausted(message),
        }
    }
}

/// Finds fleets by name; implemented by the composition root.
pub trait Directory: Send + Sync + 'static {
    /// The feed of a fleet. A fleet that does not exist yet is waited for, unless the server refuses unknown ones.
    fn join(&self, fleet: &Name) -> Result<FleetFeed, JoinError>;

    /// The last revisions of a fleet before the server was started: a proxy may come back with one of them.
    fn past(&self, _fleet: &Name) -> Arc<[Arc<Snapshot>]> {
        Arc::default()
    }
}
