//! What is read out of the telemetry: loads of clusters and proxies over a window.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::Metric;

/// What proxies reported of a cluster, over a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The window's begin: reports are counted that cover no time before it. Later than what was asked for, where
    /// that is no longer kept, or lies within a bucket.
    pub since: Timestamp,
    /// Requests that were sent to an endpoint. Mirrored and preview requests are counted with the others.
    pub issued: u64,
    /// Requests that were answered, with other than 5xx.
    pub successful: u64,
    /// Requests that failed or were answered with 5xx.
    pub errors: u64,
    /// Requests that a proxy itself did not let through.
    pub dropped: u64,
    /// Requests that were open at the last reports; not of proxies whose report stream has ended.
    pub in_progress: u64,
    /// ORCA metrics by name, e.g. `named_metrics.fraud_score`.
    pub metrics: BTreeMap<Arc<str>, Metric>,
    /// When a report told of traffic last; None if none ever did.
    pub last_report: Option<Timestamp>,
}

impl Load {
    /// Successful of those that ended, 0 to 1; None if none ended.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.successful.saturating_add(self.errors);
        (ended > 0).then(|| self.successful as f64 / ended as f64)
    }
}

/// The load of one cluster, over all proxies.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterLoad {
    /// Its name.
    pub cluster: Arc<str>,
    /// What was reported of it.
    pub load: Load,
}

/// What one proxy reported.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyLoad {
    /// `node.id`.
    pub proxy: Arc<str>,
    /// Streams on which it reports now; 0: what it says of requests in progress is not known.
    pub streams: u32,
    /// When its last report came, also one that told of no traffic.
    pub last_report: Option<Timestamp>,
    /// By name; those that had traffic.
    pub clusters: Vec<ClusterLoad>,
}

/// A proxy that reports its load, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// Its node id.
    pub proxy: Arc<str>,
    /// Its streams of reports that are open.
    pub streams: u32,
    /// When its last report came.
    pub last_report: Option<Timestamp>,
}
