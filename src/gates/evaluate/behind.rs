//! How far the version falls behind live: on the same rows, with an interval by bootstrap.

use super::{
    row::Row,
    scored::{needed, scored},
};
use crate::{
    gates::{
        findings::Findings,
        stats::{Interval, Resampling, bootstrap},
    },
    model::check::{EvaluateCheck, Metric, Phase},
};

/// The bootstrap's seed, kept with the numbers: whoever computes it again gets the same interval.
const SEED: u64 = 1;

/// The most draws of one bootstrap, samples times resamples: some seconds of one core.
const MAX_DRAWS: usize = 300_000_000;

/// With so many samples that fewer resamples than these fit [`MAX_DRAWS`], it takes these: an interval needs them.
const MIN_RESAMPLES: u32 = 200;

/// Against live, on the rows that both answered.
pub(super) fn behind(
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
        .filter(|row| row.is_usable_of_live(check))
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
        scored(check, &both, metric, Row::live),
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
pub(super) fn judge(
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
