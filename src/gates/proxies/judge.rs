//! From load reports to a verdict: success rates, means of the model's own metrics, and their distributions.

use std::collections::BTreeMap;

use super::report::ClusterReport;
use crate::{
    gates::{
        conditions::conditions,
        findings::Findings,
        stats::{Proportion, difference, not_worse, psi_of_counts, wilson},
    },
    model::check::{
        Buckets, MetricCondition, Phase, ProxiesCheck, Shift, SuccessRate, expression::Operand,
    },
};

/// The two sides, as the proxies saw them.
pub(super) struct Sides<'a> {
    /// The version that is judged, by its cluster's name.
    pub(super) candidate: (&'a str, ClusterReport),
    /// The other; None if there is none.
    pub(super) baseline: Option<(&'a str, ClusterReport)>,
}

/// The verdict.
pub(super) fn judge(check: &ProxiesCheck, sides: &Sides) -> Findings {
    let mut findings = Findings::default();
    let (cluster, report) = &sides.candidate;
    let ended = proportion(report);
    findings.value("requests", ended.samples as f64);
    findings.value("successRate", ended.share());
    if let Some((_, other)) = &sides.baseline {
        let other = proportion(other);
        findings.value("baseline.requests", other.samples as f64);
        findings.value("baseline.successRate", other.share());
    }
    if ended.samples < check.minimum_samples {
        findings.add(
            Phase::Inconclusive,
            format!(
                "too few samples: the proxies report {} finished requests to {cluster} in the last {} s, {} wanted",
                ended.samples,
                report.window.as_secs(),
                check.minimum_samples
            ),
        );
        return findings;
    }
    if let Some(limit) = &check.success_rate {
        success_rate(check, limit, ended, sides, &mut findings);
    }
    for (name, condition) in &check.metrics {
        metric(check, name, condition, sides, &mut findings);
    }
    for (name, buckets) in &check.buckets {
        distribution(check, name, buckets, sides, &mut findings);
    }
    let (success, failure) = (&check.success_condition, &check.failure_condition);
    if success.is_some() || failure.is_some() {
        let found = conditions(success.as_deref(), failure.as_deref(), &variables(sides));
        match found {
            Ok((phase, text)) => findings.add(phase, text),
            Err(error) => findings.add(Phase::Error, error.to_string()),
        }
    }
    findings
}

fn proportion(report: &ClusterReport) -> Proportion {
    Proportion {
        successes: report.successful,
        samples: report.ended(),
    }
}

fn success_rate(
    check: &ProxiesCheck,
    limit: &SuccessRate,
    ended: Proportion,
    sides: &Sides,
    findings: &mut Findings,
) {
    let (cluster, _) = &sides.candidate;
    let seen = format!(
        "success rate of {cluster} is {} ({} of {})",
        percent(ended.share()),
        ended.successes,
        ended.samples
    );
    if let Some(interval) = wilson(ended, limit.confidence) {
        findings.value("successRate.low", interval.low);
        findings.value("successRate.high", interval.high);
    }
    if let Some(least) = limit.minimum {
        if ended.share() < Some(least) {
            findings.add(
                Phase::Failed,
                format!("{seen}, wanted at least {}", percent(Some(least))),
            );
        } else if limit.margin.is_none() {
            findings.add(Phase::Successful, seen.clone());
        }
    }
    let Some(margin) = limit.margin else { return };
    let Some((other, report)) = &sides.baseline else {
        findings.add(Phase::Successful, format!("{seen}; {NOTHING_TO_COMPARE}"));
        return;
    };
    let theirs = proportion(report);
    if theirs.samples < check.minimum_samples {
        findings.add(Phase::Inconclusive, too_few(theirs.samples, other, check));
        return;
    }
    let (Some(p_value), Some(interval)) = (
        not_worse(ended, theirs, margin),
        difference(ended, theirs, limit.confidence),
    ) else {
        return;
    };
    findings.value("successRate.pValue", p_value);
    findings.value("successRate.difference.low", interval.low);
    findings.value("successRate.difference.high", interval.high);
    let seen = format!(
        "{seen}, of {other} {} ({} of {}), p = {p_value:.4}",
        percent(theirs.share()),
        theirs.successes,
        theirs.samples
    );
    if p_value < 1.0 - limit.confidence {
        findings.add(
            Phase::Failed,
            format!("{seen}: lower by more than {}", percent(Some(margin))),
        );
    } else {
        findings.add(Phase::Successful, seen);
    }
}

/// Why a comparison is passed over in a first release.
const NOTHING_TO_COMPARE: &str = "there is no other version to compare with";

fn percent(share: Option<f64>) -> String {
    match share {
        Some(share) => {
            let percent = (share * 1e6).round() / 1e4;
            format!("{percent}%")
        }
        None => "unknown".to_owned(),
    }
}

fn too_few(samples: u64, cluster: &str, check: &ProxiesCheck) -> String {
    format!(
        "too few samples: {samples} of {cluster}, {} wanted",
        check.minimum_samples
    )
}

fn metric(
    check: &ProxiesCheck,
    name: &str,
    condition: &MetricCondition,
    sides: &Sides,
    findings: &mut Findings,
) {
    let least = condition.minimum_samples.unwrap_or(check.minimum_samples);
    let (cluster, report) = &sides.candidate;
    let mean = match mean(report, cluster, name, least) {
        Ok(mean) => mean,
        Err(why) => return findings.add(Phase::Inconclusive, why),
    };
    findings.value(name, mean);
    if let Some(range) = &condition.mean {
        let seen = format!("{name} of {cluster} is {} on average", short(mean));
        if range.holds(mean) {
            findings.add(Phase::Successful, seen);
        } else {
            let bound = |text: &str, bound: Option<f64>| {
                bound.map(|bound| format!("{text} {}", short(bound)))
            };
            let wanted: Vec<String> = [
                bound("at least", range.minimum),
                bound("at most", range.maximum),
            ]
            .into_iter()
            .flatten()
            .collect();
            findings.add(
                Phase::Failed,
                format!("{seen}, wanted {}", wanted.join(" and ")),
            );
        }
    }
    let Some(shift) = &condition.shift else {
        return;
    };
    let Some((other, report)) = &sides.baseline else {
        findings.add(Phase::Successful, format!("{name}: {NOTHING_TO_COMPARE}"));
        return;
    };
    let theirs = match self::mean(report, other, name, least) {
        Ok(mean) => mean,
        Err(why) => return findings.add(Phase::Inconclusive, why),
    };
    findings.value(format!("{name}.baseline"), theirs);
    let (phase, text) = shifted(shift, mean, theirs);
    findings.add(
        phase,
        format!(
            "{name} is {} on average, of {other} {}{text}",
            short(mean),
            short(theirs)
        ),
    );
}

fn mean(report: &ClusterReport, cluster: &str, name: &str, least: u64) -> Result<f64, String> {
    let Some((count, sum)) = report.metric(name) else {
        return Err(format!(
            "no answer of {cluster} told {name}: its server must send the header endpoint-load-metrics"
        ));
    };
    if count < least.max(1) {
        return Err(format!(
            "too few samples: {count} answers of {cluster} told {name}, {least} wanted"
        ));
    }
    Ok(sum / count as f64)
}

fn shifted(shift: &Shift, mean: f64, theirs: f64) -> (Phase, String) {
    let distance = (mean - theirs).abs();
    let bounds = [
        shift.absolute,
        shift.relative.map(|share| share * theirs.abs()),
    ];
    let most = bounds.into_iter().flatten().fold(f64::INFINITY, f64::min);
    if distance > most {
        let text = format!(
            ": shifted by {}, more than {}",
            short(distance),
            short(most)
        );
        (Phase::Failed, text)
    } else {
        (Phase::Successful, String::new())
    }
}

fn distribution(
    check: &ProxiesCheck,
    name: &str,
    buckets: &Buckets,
    sides: &Sides,
    findings: &mut Findings,
) {
    let least = buckets.minimum_samples.unwrap_or(check.minimum_samples);
    // A request adds 1 to the metric of its bucket, so that the sum counts, also where a server tells the others' 0 too.
    let counts = |report: &ClusterReport| -> Vec<f64> {
        let sum = |name: &String| report.metric(name).map_or(0.0, |(_, sum)| sum.max(0.0));
        buckets.names.iter().map(sum).collect()
    };
    let Some((other, report)) = &sides.baseline else {
        findings.add(Phase::Successful, format!("{name}: {NOTHING_TO_COMPARE}"));
        return;
    };
    let (ours, theirs) = (counts(&sides.candidate.1), counts(report));
    for (cluster, counts) in [(&sides.candidate.0, &ours), (other, &theirs)] {
        let total: f64 = counts.iter().sum();
        if total < least.max(1) as f64 {
            findings.add(
                Phase::Inconclusive,
                format!(
                    "too few samples: {total} of {cluster} in the buckets of {name}, {least} wanted"
                ),
            );
            return;
        }
    }
    let pairs: Vec<(f64, f64)> = theirs.into_iter().zip(ours).collect();
    let Some(psi) = psi_of_counts(&pairs) else {
        return;
    };
    findings.value(format!("{name}.psi"), psi);
    let seen = format!("PSI of {name} against {other} is {psi:.4}");
    if psi > buckets.psi {
        findings.add(
            Phase::Failed,
            format!("{seen}, wanted at most {}", buckets.psi),
        );
    } else {
        findings.add(Phase::Successful, seen);
    }
}

/// A number as one says it: four significant places of small ones.
fn short(number: f64) -> String {
    if number.abs() >= 1000.0 || number == number.trunc() {
        format!("{number}")
    } else {
        let text = format!("{number:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// What conditions may speak of.
fn variables(sides: &Sides) -> Vec<(&'static str, Operand)> {
    let of = |report: &ClusterReport| {
        let ended = proportion(report);
        let means = report.metrics.iter().filter(|(_, (count, _))| *count > 0);
        let means =
            means.map(|(name, (count, sum))| (name.clone(), Operand::Number(sum / *count as f64)));
        [
            ("requests", Operand::Number(ended.samples as f64)),
            // Of nothing it is not a number: a condition on it is neither true nor an error.
            (
                "successRate",
                Operand::Number(ended.share().unwrap_or(f64::NAN)),
            ),
            ("metrics", Operand::Map(means.collect())),
        ]
    };
    let mut variables = of(&sides.candidate.1).to_vec();
    let nothing = ClusterReport::default();
    let other = sides
        .baseline
        .as_ref()
        .map_or(&nothing, |(_, report)| report);
    let baseline: BTreeMap<String, Operand> = of(other)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    variables.push(("baseline", Operand::Map(baseline)));
    variables
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
