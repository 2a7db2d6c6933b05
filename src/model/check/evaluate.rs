//! The `evaluate` check: labelled rows are sent to the model, and its answers scored, beside those of the live version.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DataSource, HttpRequest};

/// `evaluate:` sends labelled rows and holds the answers against the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvaluateCheck {
    /// The labelled rows.
    pub data: DataSource,
    /// The request of a row. Its body is what `input` finds in the row, unless it has one of its own, in which text
    /// that is exactly `{{input}}` is replaced by it, and text that is exactly `{{count}}` by the number of rows.
    pub request: HttpRequest,
    /// So many rows go into one request, and `{{input}}` is the list of their inputs. None: one, without a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// A JSON path in the row: what is sent.
    #[serde(default = "input")]
    pub input: String,
    /// A JSON path in the row: the truth.
    #[serde(default = "label")]
    pub label: String,
    /// A JSON path in the answer: what the model says, for every row that was sent.
    pub prediction: String,
    /// The label that counts as positive, for everything but accuracy and errors of numbers. None: true, 1 or "1"; where
    /// no label is one of these, precision, recall and F1 are the mean over all classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<Value>,
    /// A prediction that is a number is positive from here on. None: predictions are compared with labels as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// What must be reached, by metric.
    pub metrics: BTreeMap<Metric, MetricLimit>,
    /// With fewer answers it is Inconclusive.
    #[serde(default = "minimum_samples")]
    pub minimum_samples: usize,
    /// At most so many rows are sent, the first of the data. None: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_samples: Option<usize>,
    /// The largest share of rows that may get no usable answer.
    #[serde(default)]
    pub maximum_error_rate: f64,
    /// The confidence of the interval around the difference to live, 0 to 1.
    #[serde(default = "confidence")]
    pub confidence: f64,
    /// How often the bootstrap draws the rows anew.
    #[serde(default = "resamples")]
    pub resamples: u32,
    /// Rows that are asked at once.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
}

fn input() -> String {
    "$.input".to_owned()
}

fn label() -> String {
    "$.label".to_owned()
}

/// Below this a confidence interval is wider than most margins.
fn minimum_samples() -> usize {
    100
}

fn confidence() -> f64 {
    0.95
}

/// The usual number for percentile intervals: fewer make their ends jump, more only cost time.
fn resamples() -> u32 {
    1_000
}

/// Enough to be done soon, too few to disturb a model that also serves users.
pub(super) fn concurrency() -> usize {
    4
}

/// How good predictions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The names are those of the field.
pub enum Metric {
    Accuracy,
    Precision,
    Recall,
    F1,
    RocAuc,
    Mae,
    Rmse,
}

impl Metric {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::Precision => "precision",
            Metric::Recall => "recall",
            Metric::F1 => "f1",
            Metric::RocAuc => "rocAuc",
            Metric::Mae => "mae",
            Metric::Rmse => "rmse",
        }
    }

    /// Errors are better when they are small, everything else when it is large.
    pub fn is_error(self) -> bool {
        matches!(self, Metric::Mae | Metric::Rmse)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a metric must reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricLimit {
    /// At least this; for metrics of which more is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// At most this; for errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// By so much at most it may be worse than live, which is asked the same rows. It fails when the whole
    /// confidence interval of the difference lies beyond, and is Inconclusive when the interval holds the margin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
}
