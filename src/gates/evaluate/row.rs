//! One labelled row with its answers, and whether they can be used.

use serde_json::Value;

use super::truth::{class, number};
use crate::model::check::{EvaluateCheck, Metric};

/// One labelled row, and what was answered.
#[derive(Debug)]
pub(super) struct Row {
    /// Its line.
    pub(super) line: usize,
    /// The truth.
    pub(super) label: Value,
    /// What the version said, or why nothing usable came.
    pub(super) candidate: Result<Value, String>,
    /// The same of live, where it was asked.
    pub(super) baseline: Option<Result<Value, String>>,
}

impl Row {
    /// What live said.
    pub(super) fn live(&self) -> Option<&Value> {
        self.baseline.as_ref()?.as_ref().ok()
    }

    /// Whether the version's answer can be used for every metric that is asked for.
    pub(super) fn is_usable(&self, check: &EvaluateCheck) -> bool {
        self.candidate
            .as_ref()
            .is_ok_and(|answer| fits(check, answer))
    }

    /// Whether live's can.
    pub(super) fn is_usable_of_live(&self, check: &EvaluateCheck) -> bool {
        self.live().is_some_and(|answer| fits(check, answer))
    }

    /// Why the version's can't.
    pub(super) fn problem(&self, check: &EvaluateCheck) -> String {
        match &self.candidate {
            Err(why) => why.clone(),
            Ok(answer) => {
                let shown: String = answer.to_string().chars().take(80).collect();
                format!(
                    "{} is {shown}, not a number or the name of a class",
                    check.prediction
                )
            }
        }
    }
}

fn fits(check: &EvaluateCheck, answer: &Value) -> bool {
    let numeric = check.threshold.is_some() || check.metrics.keys().any(|metric| ranks(*metric));
    let classes = check.metrics.keys().any(|metric| !ranks(*metric));
    (!numeric || number(answer).is_some()) && (!classes || class(answer).is_some())
}

/// Whether the metric takes predictions as numbers.
pub(super) fn ranks(metric: Metric) -> bool {
    matches!(metric, Metric::RocAuc | Metric::Mae | Metric::Rmse)
}
