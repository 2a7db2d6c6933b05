//! What of the server can be set.

use std::{sync::Arc, time::Duration};

use super::{CsdsAccess, FleetBy, Meters, Streams};

/// Between two load reports of one proxy: what Envoys report by default elsewhere, and enough for a bake of minutes.
pub const LOAD_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// What of the server can be set.
#[derive(Clone, Debug)]
pub struct Options {
    /// By what a proxy says which fleet it belongs to.
    pub fleet_by: FleetBy,
    /// How often proxies are asked to report their load.
    pub load_report_interval: Duration,
    /// Where it is counted what goes out and comes in.
    pub meters: Arc<Meters>,
    /// Who may ask on this port what each proxy has.
    pub csds: CsdsAccess,
    /// Where the open streams are found.
    pub streams: Arc<Streams>,
    /// So many connections at a time; more are closed at once.
    pub places: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fleet_by: FleetBy::default(),
            load_report_interval: LOAD_REPORT_INTERVAL,
            meters: Arc::default(),
            csds: CsdsAccess::default(),
            streams: Arc::default(),
            places: usize::MAX,
        }
    }
}
