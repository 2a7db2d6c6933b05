//! Rows that are shown with a verdict.

use serde_json::{Value, json};

use super::{
    row::{Row, ranks},
    scored::scored,
};
use crate::model::check::{EvaluateCheck, Metric};

/// So many rows are shown on which the two versions disagree, or the version is wrong.
pub(super) const MAX_SHOWN: usize = 20;

/// Rows that a person wants to see first: where the version is wrong, those before on which live is right.
pub(super) fn examples(check: &EvaluateCheck, rows: &[&Row]) -> Vec<Value> {
    let one = |row: &Row, answer: &Value| {
        let row = Row {
            line: row.line,
            label: row.label.clone(),
            candidate: Ok(answer.clone()),
            baseline: None,
        };
        let scored = scored(check, &[&row], Metric::Accuracy, |row| {
            row.candidate.as_ref().ok()
        });
        scored.and_then(|it| it.value(Metric::Accuracy, &[1])) == Some(1.0)
    };
    if check.metrics.keys().all(|metric| metric.is_error()) {
        return Vec::new();
    }
    // Nothing is right or wrong about a bare score.
    if check.threshold.is_none() && check.metrics.keys().all(|metric| ranks(*metric)) {
        return Vec::new();
    }
    let mut wrong: Vec<(bool, &Row)> = rows
        .iter()
        .copied()
        .filter(|row| row.candidate.as_ref().is_ok_and(|answer| !one(row, answer)))
        .map(|row| (row.live().is_some_and(|answer| one(row, answer)), row))
        .collect();
    wrong.sort_by_key(|(live_is_right, row)| (!live_is_right, row.line));
    wrong
        .into_iter()
        .take(MAX_SHOWN)
        .map(|(_, row)| {
            json!({
                "line": row.line,
                "label": row.label,
                "answer": row.candidate.as_ref().ok(),
                "live": row.live(),
            })
        })
        .collect()
}
