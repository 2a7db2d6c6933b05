//! From labels and answers to a verdict: metrics of the version, and how far it falls behind live.

use serde_json::{Value, json};

use super::truth::{Numbered, class, number};
use crate::{
    gates::{
        findings::Findings,
        stats::{Classes, Errors, Interval, Ranking, Resampling, bootstrap},
    },
    model::check::{EvaluateCheck, Metric, MetricLimit, Phase},
};

/// The bootstrap's seed, kept with the numbers: whoever computes it again gets the same interval.
const SEED: u64 = 1;

/// The most draws of one bootstrap, samples times resamples: some seconds of one core.
const MAX_DRAWS: usize = 300_000_000;

/// With so many samples that fewer resamples than these fit [`MAX_DRAWS`], it takes these: an interval needs them.
const MIN_RESAMPLES: u32 = 200;

/// So many rows are shown on which the two versions disagree, or the version is wrong.
const MAX_SHOWN: usize = 20;

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

/// A model's answers beside the labels, ready for one metric.
enum Scored {
    Classes(Classes),
    Ranking(Ranking),
    Errors(Errors),
}

/// The verdict on all rows. It may take seconds, and ends early once it is no longer `wanted`.
pub(super) fn score(check: &EvaluateCheck, rows: &[Row], wanted: &dyn Fn() -> bool) -> Findings {
    let mut findings = Findings::default();
    let answered: Vec<&Row> = rows.iter().filter(|row| usable(check, row)).collect();
    let lost = rows.len() - answered.len();
    findings.value("samples", rows.len() as f64);
    findings.value("unanswered", lost as f64);
    let rate = lost as f64 / (rows.len() as f64).max(1.0);
    if rate > check.maximum_error_rate {
        let first = rows.iter().find(|row| !usable(check, row));
        let why =
            first.map(|row| format!(", the first in line {}: {}", row.line, problem(check, row)));
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

/// Against live, on the rows that both answered.
fn behind(
    check: &EvaluateCheck,
    rows: &[&Row],
    (metric, margin): (Metric, f64),
    wanted: &dyn Fn() -> bool,
    findings: &mut Findings,
) {
    if rows.iter().all(|row| row.baseline.is_none()) {
        let text = format!("{metric}: there is no live version to compare with");
        return findings.add(Phase::Successful, text);
    }
    let both: Vec<&Row> = rows
        .iter()
        .copied()
        .filter(|row| live(row).is_some_and(|answer| fits(check, answer)))
        .collect();
    if both.len() < check.minimum_samples {
        let why = rows
            .iter()
            .find_map(|row| row.baseline.as_ref()?.as_ref().err())
            .map(|why| format!(", e.g. {why}"));
        findings.add(
            Phase::Inconclusive,
            format!(
                "too few samples to compare {metric} with live: {} answered by both, {} wanted{}",
                both.len(),
                check.minimum_samples,
                why.unwrap_or_default()
            ),
        );
        return;
    }
    let sides = (
        scored(check, &both, metric, |row| row.candidate.as_ref().ok()),
        scored(check, &both, metric, live),
    );
    let (Some(candidate), Some(baseline)) = sides else {
        return;
    };
    // Positive: worse than live, whether more or less is better.
    let distance = |drawn: &[u32]| {
        let (new, old) = (
            candidate.value(metric, drawn)?,
            baseline.value(metric, drawn)?,
        );
        Some(if metric.is_error() {
            new - old
        } else {
            old - new
        })
    };
    let once = vec![1; both.len()];
    let resampling = resampling(check, both.len());
    let found = distance(&once).zip(bootstrap(both.len(), resampling, wanted, distance));
    let Some((distance, interval)) = found else {
        findings.add(
            Phase::Inconclusive,
            format!(
                "too few samples to compare {metric} with live: {}",
                needed(metric)
            ),
        );
        return;
    };
    findings.value(format!("{metric}.live"), baseline.value(metric, &once));
    findings.value(format!("{metric}.behind"), distance);
    findings.value(format!("{metric}.behind.low"), interval.low);
    findings.value(format!("{metric}.behind.high"), interval.high);
    findings.value("bootstrap.seed", resampling.seed as f64);
    findings.value("bootstrap.resamples", f64::from(resampling.resamples));
    findings.value("bootstrap.confidence", resampling.confidence);
    let (phase, text) = judge(metric, distance, interval, margin, check.confidence);
    findings.add(phase, format!("{text}, of {} samples", both.len()));
}

/// Whether the interval lies on one side of the margin.
fn judge(
    metric: Metric,
    distance: f64,
    interval: Interval,
    margin: f64,
    confidence: f64,
) -> (Phase, String) {
    let compared = match distance {
        0.0 => "the same as live's".to_owned(),
        worse if worse > 0.0 => format!("{worse:.4} worse than live's"),
        better => format!("{:.4} better than live's", -better),
    };
    let seen = format!(
        "{metric} is {compared} ({}% interval: {})",
        confidence * 100.0,
        span(interval)
    );
    if interval.high <= margin {
        (Phase::Successful, seen)
    } else if interval.low > margin {
        (
            Phase::Failed,
            format!("{seen}, wanted at most {margin} worse"),
        )
    } else {
        (
            Phase::Inconclusive,
            format!("too few samples to tell whether it is more than {margin} worse: {seen}"),
        )
    }
}

/// An interval of distances from the least to the greatest, in the words of [`judge`]: `0.0100 better to 0.0200 worse`.
fn span(Interval { low, high }: Interval) -> String {
    if low < 0.0 && high > 0.0 {
        format!("{:.4} better to {high:.4} worse", -low)
    } else if low < 0.0 {
        // A zero would be written with the sign that it gets here.
        format!("{:.4} to {:.4} better", (-high).abs(), -low)
    } else {
        format!("{low:.4} to {high:.4} worse")
    }
}

fn resampling(check: &EvaluateCheck, samples: usize) -> Resampling {
    let most = u32::try_from(MAX_DRAWS / samples.max(1)).unwrap_or(u32::MAX);
    Resampling {
        resamples: check.resamples.min(most.max(MIN_RESAMPLES)),
        seed: SEED,
        confidence: check.confidence,
    }
}

fn live(row: &Row) -> Option<&Value> {
    row.baseline.as_ref()?.as_ref().ok()
}

/// Whether the row's answer can be used for every metric that is asked for.
fn usable(check: &EvaluateCheck, row: &Row) -> bool {
    row.candidate
        .as_ref()
        .is_ok_and(|answer| fits(check, answer))
}

fn fits(check: &EvaluateCheck, answer: &Value) -> bool {
    let numeric = check.threshold.is_some() || check.metrics.keys().any(|metric| ranks(*metric));
    let classes = check.metrics.keys().any(|metric| !ranks(*metric));
    (!numeric || number(answer).is_some()) && (!classes || class(answer).is_some())
}

/// Whether the metric takes predictions as numbers.
fn ranks(metric: Metric) -> bool {
    matches!(metric, Metric::RocAuc | Metric::Mae | Metric::Rmse)
}

fn problem(check: &EvaluateCheck, row: &Row) -> String {
    match &row.candidate {
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

/// Why a metric may be undefined.
fn needed(metric: Metric) -> &'static str {
    match metric {
        Metric::Mae | Metric::Rmse => "the labels are no numbers",
        Metric::RocAuc => "it needs positive and negative labels",
        _ => "no label is positive",
    }
}

/// One side's answers, for one metric. None if the labels don't fit it.
fn scored<'a>(
    check: &EvaluateCheck,
    rows: &[&'a Row],
    metric: Metric,
    answer: impl Fn(&'a Row) -> Option<&'a Value>,
) -> Option<Scored> {
    let positive = match &check.positive {
        Some(value) => class(value)?,
        None => "1".to_owned(),
    };
    let is_positive = |value: &Value| class(value).is_some_and(|class| class == positive);
    let pairs = rows
        .iter()
        .copied()
        .map(|row| Some((&row.label, answer(row)?)));
    match metric {
        Metric::Mae | Metric::Rmse => {
            let numbers: Option<Vec<_>> = pairs
                .map(|pair| {
                    pair.and_then(|(label, answer)| Some((number(label)?, number(answer)?)))
                })
                .collect();
            Some(Scored::Errors(Errors::new(numbers?)))
        }
        Metric::RocAuc => {
            let scores: Option<Vec<_>> = pairs
                .map(|pair| {
                    pair.and_then(|(label, answer)| Some((number(answer)?, is_positive(label))))
                })
                .collect();
            Some(Scored::Ranking(Ranking::new(scores?)?))
        }
        Metric::Accuracy | Metric::Precision | Metric::Recall | Metric::F1 => {
            if let Some(threshold) = check.threshold {
                let binary: Option<Vec<_>> = pairs
                    .map(|pair| {
                        let (label, answer) = pair?;
                        let above = number(answer)? >= threshold;
                        Some((usize::from(is_positive(label)), usize::from(above)))
                    })
                    .collect();
                return Some(Scored::Classes(Classes::new(binary?, Some(1))));
            }
            let mut numbered = Numbered::default();
            let classes: Option<Vec<_>> = pairs
                .map(|pair| {
                    let (label, answer) = pair?;
                    Some((
                        numbered.number(class(label)?),
                        numbered.number(class(answer)?),
                    ))
                })
                .collect();
            // Classes with other names than yes and no, and none said to be the positive one: all count alike.
            let among = match &check.positive {
                Some(_) => Some(numbered.number(positive)),
                None => numbered.find(&positive),
            };
            Some(Scored::Classes(Classes::new(classes?, among)))
        }
    }
}

impl Scored {
    fn value(&self, metric: Metric, drawn: &[u32]) -> Option<f64> {
        match (self, metric) {
            (Scored::Classes(it), Metric::Accuracy) => it.accuracy(drawn),
            (Scored::Classes(it), Metric::Precision) => it.precision(drawn),
            (Scored::Classes(it), Metric::Recall) => it.recall(drawn),
            (Scored::Classes(it), _) => it.f1(drawn),
            (Scored::Ranking(it), _) => it.auc(drawn),
            (Scored::Errors(it), Metric::Mae) => it.mae(drawn),
            (Scored::Errors(it), _) => it.rmse(drawn),
        }
    }
}

/// Rows that a person wants to see first: where the version is wrong, those before on which live is right.
fn examples(check: &EvaluateCheck, rows: &[&Row]) -> Vec<Value> {
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
        .map(|row| (live(row).is_some_and(|answer| one(row, answer)), row))
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
                "live": live(row),
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
