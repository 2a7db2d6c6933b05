//! What releases are given from outside: who measures, where events go, and how long is waited.

use std::{fmt, sync::Arc, time::Duration};

use super::analyst::{Analyst, GateAnalyst};
use crate::gates::client::Client;

/// Proxies that had accepted a switch and are away for so long count as lost: longer than a restart of an Envoy, or of the
/// network between, takes; short enough to be told from a fleet that shrinks on purpose within minutes.
pub const SILENCE: Duration = Duration::from_secs(30);

/// How often proxies are asked for their load where nothing else is said.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// `retire` waits so long for what is open on the standby, before it asks for `--force`: most requests end within Envoy's
/// route timeout of 15 s.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Where events of releases go.
#[derive(Clone)]
pub struct EventSink {
    /// Gets a POST per event.
    pub url: String,
    /// Signs it; None: it is not signed.
    pub secret: Option<Arc<[u8]>>,
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret goes into no log.
        f.debug_struct("EventSink")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What releases are given from outside.
#[derive(Clone)]
pub struct ReleaseOptions {
    /// Runs checks.
    pub analyst: Arc<dyn Analyst>,
    /// Hooks may run programs on this machine.
    pub allow_exec_hooks: bool,
    /// Calls webhooks; None: the TLS library can't be used.
    pub client: Option<Client>,
    /// Where events go; None: nobody listens.
    pub events: Option<EventSink>,
    /// See [`SILENCE`].
    pub silence: Duration,
    /// How often proxies are asked to report their load.
    pub report_interval: Duration,
    /// See [`DRAIN`].
    pub drain: Duration,
}

impl Default for ReleaseOptions {
    fn default() -> Self {
        Self {
            analyst: Arc::new(GateAnalyst::default()),
            allow_exec_hooks: false,
            client: Client::new().ok(),
            events: None,
            silence: SILENCE,
            report_interval: REPORT_INTERVAL,
            drain: DRAIN,
        }
    }
}
