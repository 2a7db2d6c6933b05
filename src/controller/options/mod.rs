//! What the controllers are given from outside: clock, resolver, who runs checks, and how long they wait.

mod analyst;
mod clock;
mod release;
mod resolver;

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;

pub use analyst::{Aim, Analyst, GateAnalyst, Job};
pub use clock::Clock;
pub(in crate::controller) use clock::steady;
pub use release::{DRAIN, EventSink, REPORT_INTERVAL, ReleaseOptions, SILENCE};
pub use resolver::{Addresses, Resolve, ResolveError, Resolved, SystemResolver};
pub(in crate::controller) use resolver::{MAX_TTL, resolve_all};

use crate::gates::ProbeOptions;

/// A proxy that is away longer is forgotten. Long enough for a node's reboot, short enough that a scaled-down proxy
/// does not count as lagging for the rest of the day.
pub const ROSTER_AWAY: Duration = Duration::from_secs(600);

/// Rosters are saved in batches: losing the last seconds of one is harmless, a write per reconnect of a large fleet
/// is not.
pub const ROSTER_SAVE: Duration = Duration::from_secs(5);

/// After a start a switch waits so long for the known proxies to come back. An Envoy's reconnect backoff is at most
/// 30 s by default, but half of the proxies are back within a second, and an operator waits in front of it.
pub const SETTLE: Duration = Duration::from_secs(10);

/// A switch right behind a deploy waits so long for connected proxies to accept the endpoints: a round trip and the
/// warming of a cluster, not more.
pub const LAG_PATIENCE: Duration = Duration::from_secs(3);

/// What the controllers are given from outside.
pub struct Options {
    /// Finds the addresses of host names.
    pub resolver: Box<dyn Resolve>,
    /// How long a switch waits for endpoints to answer.
    pub probe: ProbeOptions,
    /// The folder below which checks read files of data; None: they read none.
    pub check_data: Option<Arc<PathBuf>>,
    /// The time of day.
    pub clock: Clock,
    /// The writer's epoch, for the store. One server alone: 0.
    pub epoch: u64,
    /// What releases are given.
    pub release: ReleaseOptions,
    /// See [`ROSTER_AWAY`].
    pub roster_away: Duration,
    /// See [`ROSTER_SAVE`].
    pub roster_save: Duration,
    /// See [`SETTLE`].
    pub settle: Duration,
    /// See [`LAG_PATIENCE`].
    pub lag_patience: Duration,
}

impl Options {
    /// The defaults, with this resolver and the system's clock.
    pub fn new(resolver: Box<dyn Resolve>) -> Self {
        Self {
            resolver,
            probe: ProbeOptions::default(),
            check_data: None,
            clock: Arc::new(Timestamp::now),
            epoch: 0,
            release: ReleaseOptions::default(),
            roster_away: ROSTER_AWAY,
            roster_save: ROSTER_SAVE,
            settle: SETTLE,
            lag_patience: LAG_PATIENCE,
        }
    }
}
