//! What the proxies of a fleet reported of one cluster, over a window that ends now.

use std::{collections::BTreeMap, time::Duration};

use crate::telemetry::Load;

/// How ORCA's reporters name the metrics of an application.
const NAMED: &str = "named_metrics.";

/// The sums over a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ClusterReport {
    /// The time that was asked for.
    pub(super) window: Duration,
    /// Requests that ended without a 5xx.
    pub(super) successful: u64,
    /// Requests that ended with a 5xx.
    pub(super) errors: u64,
    /// By name, without `named_metrics.`: how many answers told it, and the sum of what they told.
    pub(super) metrics: BTreeMap<String, (u64, f64)>,
}

impl ClusterReport {
    /// All proxies of the fleet together; nothing where none has reported.
    pub(super) fn new(load: Option<Load>, window: Duration) -> Self {
        let nothing = Self {
            window,
            ..Self::default()
        };
        let Some(load) = load else {
            return nothing;
        };
        let metrics = load.metrics.iter().map(|(name, metric)| {
            let name = name.strip_prefix(NAMED).unwrap_or(name);
            (name.to_owned(), (metric.count, metric.sum))
        });
        Self {
            successful: load.successful,
            errors: load.errors,
            metrics: metrics.collect(),
            ..nothing
        }
    }

    /// How many answers told a metric, and the sum of what they told; `named_metrics.` may be left out.
    pub(super) fn metric(&self, name: &str) -> Option<(u64, f64)> {
        let name = name.strip_prefix(NAMED).unwrap_or(name);
        self.metrics.get(name).copied()
    }

    /// Requests that ended.
    pub(super) fn ended(&self) -> u64 {
        self.successful.saturating_add(self.errors)
    }
}
