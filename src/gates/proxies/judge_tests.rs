//! Verdicts on load reports as proxies send them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::model::check::Measurement;

fn check(written: Value) -> ProxiesCheck {
    serde_json::from_value(written).unwrap()
}

fn report(successful: u64, errors: u64, metrics: &[(&str, u64, f64)]) -> ClusterReport {
    ClusterReport {
        window: Duration::from_secs(60),
        successful,
        errors,
        metrics: metrics
            .iter()
            .map(|(name, count, sum)| ((*name).to_owned(), (*count, *sum)))
            .collect(),
    }
}

fn judged(check: &ProxiesCheck, green: ClusterReport, blue: Option<ClusterReport>) -> Measurement {
    let sides = Sides {
        candidate: ("fraud/green", green),
        baseline: blue.map(|blue| ("fraud/blue", blue)),
    };
    judge(check, &sides).at(Timestamp::UNIX_EPOCH)
}

#[test]
fn an_absolute_success_rate() {
    let check = check(json!({ "successRate": { "minimum": 0.99 } }));
    let good = judged(&check, report(995, 5, &[]), None);
    assert_eq!(good.phase, Phase::Successful);
    assert_eq!(good.values["successRate"], 0.995);
    let bad = judged(&check, report(980, 20, &[]), None);
    assert_eq!(bad.phase, Phase::Failed);
    assert_eq!(
        bad.message,
        "success rate of fraud/green is 98% (980 of 1000), wanted at least 99%"
    );
}

#[test]
fn too_few_samples_say_nothing() {
    let check = check(json!({ "successRate": { "minimum": 0.99 } }));
    let few = judged(&check, report(0, 99, &[]), None);
    assert_eq!(few.phase, Phase::Inconclusive);
    assert!(
        few.message
            .contains("99 finished requests to fraud/green in the last 60 s, 100 wanted")
    );
}

#[test]
fn against_the_other_colour_chance_is_told_from_loss() {
    let check = check(json!({ "successRate": { "margin": 0.0 } }));
    let blue = || Some(report(9_990, 10, &[]));
    // Two failures more in a thousand: that happens.
    let chance = judged(&check, report(997, 3, &[]), blue());
    assert_eq!(chance.phase, Phase::Successful, "{chance:?}");
    let loss = judged(&check, report(980, 20, &[]), blue());
    assert_eq!(loss.phase, Phase::Failed);
    assert!(loss.values["successRate.pValue"] < 1e-6);
    assert!(loss.values["successRate.difference.high"] < 0.0);
    let first = judged(&check, report(1000, 0, &[]), None);
    assert_eq!(first.phase, Phase::Successful);
    assert!(
        first.message.contains("no other version"),
        "{}",
        first.message
    );
    let idle = judged(&check, report(1000, 0, &[]), Some(report(3, 0, &[])));
    assert_eq!(idle.phase, Phase::Inconclusive);
}

#[test]
fn the_models_own_metrics() {
    let check = check(json!({
        "metrics": { "fraud_score": { "mean": { "maximum": 0.5 }, "shift": { "relative": 0.2 } } },
    }));
    let blue = || Some(report(1000, 0, &[("fraud_score", 1000, 200.0)]));
    let green = |sum| report(500, 0, &[("fraud_score", 500, sum)]);
    let near = judged(&check, green(110.0), blue());
    assert_eq!(near.phase, Phase::Successful, "{near:?}");
    assert_eq!(near.values["fraud_score"], 0.22);
    let shifted = judged(&check, green(150.0), blue());
    assert_eq!(shifted.phase, Phase::Failed);
    assert_eq!(
        shifted.message,
        "fraud_score is 0.3 on average, of fraud/blue 0.2: shifted by 0.1, more than 0.04"
    );
    let high = judged(&check, green(300.0), None);
    assert_eq!(
        high.message,
        "fraud_score of fraud/green is 0.6 on average, wanted at most 0.5"
    );
    let silent = judged(&check, report(500, 0, &[]), blue());
    assert_eq!(silent.phase, Phase::Inconclusive);
    assert!(
        silent.message.contains("endpoint-load-metrics"),
        "{}",
        silent.message
    );
}

#[test]
fn a_distribution_in_buckets() {
    let check = check(json!({
        "buckets": { "score": { "names": ["low", "mid", "high"], "psi": 0.2 } },
    }));
    let of = |low, mid, high| {
        // One server tells only the bucket that was hit, another all three: the sums are the same.
        let hit = |sum: f64| sum as u64;
        report(
            1000,
            0,
            &[
                ("low", hit(low), low),
                ("mid", 1000, mid),
                ("high", hit(high), high),
            ],
        )
    };
    let same = judged(
        &check,
        of(700.0, 200.0, 100.0),
        Some(of(690.0, 210.0, 100.0)),
    );
    assert_eq!(same.phase, Phase::Successful, "{same:?}");
    let moved = judged(
        &check,
        of(300.0, 200.0, 500.0),
        Some(of(700.0, 200.0, 100.0)),
    );
    assert_eq!(moved.phase, Phase::Failed);
    assert!(moved.values["score.psi"] > 0.9, "{moved:?}");
    let none = judged(&check, report(1000, 0, &[]), Some(of(700.0, 200.0, 100.0)));
    assert_eq!(none.phase, Phase::Inconclusive);
}

#[test]
fn conditions_over_both_sides() {
    let check = check(json!({
        "successCondition": "successRate >= baseline.successRate - 0.01 && metrics.kv_cache < 0.9",
        "failureCondition": "successRate < 0.5",
    }));
    let green =
        |successful, errors, cache| report(successful, errors, &[("kv_cache", 100, 100.0 * cache)]);
    let blue = || Some(report(1000, 0, &[("kv_cache", 100, 50.0)]));
    assert_eq!(
        judged(&check, green(995, 5, 0.6), blue()).phase,
        Phase::Successful
    );
    assert_eq!(
        judged(&check, green(400, 600, 0.6), blue()).phase,
        Phase::Failed
    );
    assert_eq!(
        judged(&check, green(995, 5, 0.95), blue()).phase,
        Phase::Inconclusive
    );
    let missing = judged(&check, report(1000, 0, &[]), blue());
    assert_eq!(missing.phase, Phase::Error, "{missing:?}");
}
