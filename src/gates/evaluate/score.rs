//! From labels and answers to a verdict: metrics of the version, and how far it falls behind live.

use serde_json::json;

use super::{
    behind::behind,
    examples::examples,
    row::Row,
    scored::{needed, scored},
};
use crate::{
    gates::findings::Findings,
    model::check::{EvaluateCheck, Metric, MetricLimit, Phase},
};

/// The verdict on all rows. It may take seconds, and ends early once it is no longer `wanted`.
pub(super) fn score(check: &EvaluateCheck, rows: &[Row], wanted: &dyn Fn() -> bool) -> Findings {
    let mut findings = Findings::default();
    let answered: Vec<&Row> = rows.iter().filter(|row| row.is_usable(check)).collect();
    let lost = rows.len() - answered.len();
    findings.value("samples", rows.len() as f64);
    findings.value("unanswered", lost as f64);
    let rate = lost as f64 / (rows.len() as f64).max(1.0);
    if rate > check.maximum_error_rate {
        let first = rows.iter().find(|row| !row.is_usable(check));
        let why =
            first.map(|row| format!(", the first in line {}: {}", row.line, row.problem(check)));
        findings.add(
            Phase::Failed,
            format!(
                "{lost} of {} rows got no usable answer{}",
                rows.len(),
                why.unwrap_or_default()
            ),
        );
    }
    if answered.len() < check.minimum_samples {
        findings.add(
            Phase::Inconclusive,
            format!(
                "too few samples: {} answered, {} wanted",
                answered.len(),
                check.minimum_samples
            ),
        );
        return findings;
    }
    for (metric, limit) in &check.metrics {
        absolute(check, &answered, *metric, limit, &mut findings);
        if let Some(margin) = limit.margin {
            behind(check, &answered, (*metric, margin), wanted, &mut findings);
        }
    }
    let shown = examples(check, &answered);
    if !shown.is_empty() {
        findings.details(json!({ "wrong": shown }));
    }
    findings
}

/// Against the minimum or maximum.
fn absolute(
    check: &EvaluateCheck,
    rows: &[&Row],
    metric: Metric,
    limit: &MetricLimit,
    findings: &mut Findings,
) {
    let once = vec![1; rows.len()];
    let all = scored(check, rows, metric, |row| row.candidate.as_ref().ok());
    let Some(value) = all.and_then(|all| all.value(metric, &once)) else {
        findings.add(
            Phase::Inconclusive,
            format!("{metric} can't be computed: {}", needed(metric)),
        );
        return;
    };
    findings.value(metric.as_str(), value);
    let samples = rows.len();
    match (limit.minimum, limit.maximum) {
        (Some(least), _) if value < least => findings.add(
            Phase::Failed,
            format!("{metric} is {value:.4} of {samples} samples, wanted at least {least}"),
        ),
        (_, Some(most)) if value > most => findings.add(
            Phase::Failed,
            format!("{metric} is {value:.4} of {samples} samples, wanted at most {most}"),
        ),
        _ => findings.add(Phase::Successful, format!("{metric} is {value:.4}")),
    }
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
