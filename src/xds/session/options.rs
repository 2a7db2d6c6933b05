//! What a stream is told beforehand: its bounds, and what is done where the protocol leaves a choice.

use std::time::Duration;

/// How long a resource is held for its clusters before the operator is told. Clusters warm within a health check or
/// two; after twenty seconds something is wrong with them.
pub const WARM_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a cluster outlives the last route that names it, at least: requests that were routed before may still be
/// open. Envoy ends a request after 15 s unless its route says otherwise.
pub const REMOVAL_GRACE: Duration = Duration::from_secs(15);

/// How long at most, for routes with a longer timeout or none. Who keeps requests open for longer drains before removing.
pub(super) const LONGEST_GRACE: Duration = Duration::from_secs(300);

/// What is done with a route whose cluster is not ready in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnWarmTimeout {
    /// It goes on waiting, and the operator is told.
    #[default]
    Hold,
    /// It is sent all the same: requests to it fail until the cluster is ready.
    Send,
}

/// What a stream is told beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// After how long a resource that waits for its clusters is reported. See [`WARM_TIMEOUT`].
    pub warm_timeout: Duration,
    /// What is done then.
    pub on_warm_timeout: OnWarmTimeout,
    /// How long a cluster outlives the last route that names it. See [`REMOVAL_GRACE`].
    pub removal_grace: Duration,
    /// The operator accepts that the store is older than the proxies: a client that shows a newer revision is served.
    pub accept_older: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            warm_timeout: WARM_TIMEOUT,
            on_warm_timeout: OnWarmTimeout::Hold,
            removal_grace: REMOVAL_GRACE,
            accept_older: false,
        }
    }
}
