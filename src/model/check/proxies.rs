//! The `proxies` check: what the proxies report of both versions, and what the model servers say of themselves (ORCA).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{super::HumanDuration, Margin, Range};

/// `proxies:` judges the load reports of the proxies (LRS); no other system is needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxiesCheck {
    /// So much of the past counts. Of the other version more of it does, if it had too little traffic of late.
    pub window: HumanDuration,
    /// With fewer finished requests to the version in the window it is Inconclusive.
    pub minimum_samples: u64,
    /// Of all finished requests those that did not fail (5xx).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<SuccessRate>,
    /// The model's own metrics by ORCA, by their name without `named_metrics.`, or `cpu_utilization` and the like.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, MetricCondition>,
    /// Distributions that come as one named metric per bucket, by a name for messages.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub buckets: BTreeMap<String, Buckets>,
    /// A CEL expression over `requests`, `successRate`, `metrics.NAME` (means), and `baseline.` with the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_condition: Option<String>,
    /// As `successCondition`; when it holds, the measurement is Failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_condition: Option<String>,
}

impl Default for ProxiesCheck {
    fn default() -> Self {
        Self {
            window: HumanDuration(std::time::Duration::from_secs(60)),
            // At 100 samples one failure is a whole percent: below, rates say little.
            minimum_samples: 100,
            success_rate: None,
            metrics: BTreeMap::new(),
            buckets: BTreeMap::new(),
            success_condition: None,
            failure_condition: None,
        }
    }
}

/// What the success rate must be. What is given must hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SuccessRate {
    /// At least this, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// It may be below the other colour's by so much at most: it fails when a one-sided test for two proportions says
    /// that it is lower by more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// How sure that test must be, 0 to 1.
    pub confidence: f64,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self {
            minimum: None,
            margin: None,
            confidence: 0.95,
        }
    }
}

/// What the mean of a named metric must be. What is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricCondition {
    /// The mean over the version's requests lies in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Range>,
    /// The mean differs from the other colour's by so much at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<Shift>,
    /// With fewer reported values it is Inconclusive. None: the check's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_samples: Option<u64>,
}

/// The distance of the two colours' means.
pub type Shift = Margin;

/// A distribution: each request adds to the metric of the bucket that its value falls into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Buckets {
    /// The metrics' names, in the order of the buckets.
    pub names: Vec<String>,
    /// The largest population stability index between the two colours (0.1 is a small shift, 0.25 a large one).
    pub psi: f64,
    /// With fewer values on either side it is Inconclusive. None: the check's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_samples: Option<u64>,
}
