//! Load reports as they come from proxies, through the telemetry, to a verdict.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    gates::{Context, testkit},
    model::check::{Measurement, Phase},
    telemetry::{ClusterStats, LocalityStats, NamedMetric, StreamId, Telemetry},
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

/// A report over ten seconds, with the mean of a score.
fn stats(cluster: &str, successful: u64, errors: u64, score: f64) -> ClusterStats {
    let answers = successful + errors;
    ClusterStats {
        cluster_name: cluster.to_owned(),
        upstream_locality_stats: vec![LocalityStats {
            total_successful_requests: successful,
            total_error_requests: errors,
            total_issued_requests: answers,
            load_metric_stats: vec![NamedMetric {
                metric_name: "named_metrics.fraud_score".to_owned(),
                num_requests_finished_with_metric: answers,
                total_metric_value: score * answers as f64,
            }],
            ..LocalityStats::default()
        }],
        load_report_interval: Duration::from_secs(10).try_into().ok(),
        ..ClusterStats::default()
    }
}

/// Two proxies that report blue's traffic until second 100, and green's from then on, for half a minute. It is `now`.
fn switched(errors: u64, score: f64, now: Timestamp) -> Context {
    let (set, clock) = testkit::set_by_hand(at(0));
    let telemetry = Telemetry::new(clock, || {});
    for proxy in 1..=2 {
        telemetry.open(StreamId(proxy), &format!("proxy-{proxy}"), at(0));
        for second in (10..=100).step_by(10) {
            let report = [stats("fraud-model/blue", 200, 0, 0.1)];
            telemetry.report(StreamId(proxy), &report, at(second));
        }
        for second in (110..=130).step_by(10) {
            let report = [stats("fraud-model/green", 200 - errors, errors, score)];
            telemetry.report(StreamId(proxy), &report, at(second));
        }
    }
    set(now);
    Context {
        telemetry: Arc::new(telemetry),
        ..testkit::context(&[], &[])
    }
}

async fn measure(proxies: Value, context: &Context) -> Measurement {
    let spec = testkit::spec(json!({ "name": "traffic", "proxies": proxies }));
    crate::gates::measuring(&spec).measure(context).await
}

fn check() -> Value {
    json!({
        "window": "20s",
        "successRate": { "minimum": 0.99, "margin": 0.005 },
        "metrics": { "named_metrics.fraud_score": { "shift": { "absolute": 0.05 } } },
    })
}

#[tokio::test]
async fn after_a_switch_the_other_side_is_what_it_was_before() {
    let measured = measure(check(), &switched(0, 0.12, at(130))).await;
    assert_eq!(measured.phase, Phase::Successful, "{measured:?}");
    // Two proxies, two reports of ten seconds.
    assert_eq!(measured.values["requests"], 800.0);
    // Blue had nothing in the window: all that it had before counts.
    assert_eq!(measured.values["baseline.requests"], 4_000.0);
    assert!((measured.values["named_metrics.fraud_score"] - 0.12).abs() < 1e-9);
}

#[tokio::test]
async fn errors_and_shifts_are_seen() {
    let errors = measure(check(), &switched(20, 0.12, at(130))).await;
    assert_eq!(errors.phase, Phase::Failed, "{errors:?}");
    assert!(
        errors
            .message
            .contains("success rate of fraud-model/green is 90%"),
        "{}",
        errors.message
    );
    let shifted = measure(check(), &switched(0, 0.3, at(130))).await;
    assert_eq!(shifted.phase, Phase::Failed, "{shifted:?}");
    assert!(
        shifted.message.contains("shifted by 0.2"),
        "{}",
        shifted.message
    );
}

/// A version that was rolled back leaves reports behind, and the next one is put into the same environment.
#[tokio::test]
async fn what_an_environment_did_before_counts_for_neither_side() {
    let context = switched(20, 0.12, at(150));
    for second in [140, 150] {
        let report = [stats("fraud-model/green", 200, 0, 0.12)];
        for proxy in 1..=2 {
            context
                .telemetry
                .report(StreamId(proxy), &report, at(second));
        }
    }
    let mut hour = check();
    hour["window"] = json!("1h");
    let mixed = measure(hour.clone(), &context).await;
    assert_eq!(mixed.phase, Phase::Failed, "{mixed:?}");

    let context = testkit::aimed(context, |target| {
        target.candidate.since = Some(at(130));
        target.baseline.as_mut().unwrap().since = Some(at(50));
    });
    let own = measure(hour, &context).await;
    assert_eq!(own.phase, Phase::Successful, "{own:?}");
    // Two proxies, the reports of the periods that began at 130 and 140; those of blue that began from 50 on.
    assert_eq!(own.values["requests"], 800.0);
    assert_eq!(own.values["baseline.requests"], 2_000.0);
}

/// The system's clock may be set, to hours ago too: stamps follow it, windows don't.
#[tokio::test]
async fn a_clock_that_is_set_moves_no_window() {
    for set_to in [at(130 - 3 * 3600), at(130 + 86_400)] {
        let context = Context {
            clock: Arc::new(move || set_to),
            ..switched(20, 0.12, at(130))
        };
        let measured = measure(check(), &context).await;
        assert_eq!(measured.phase, Phase::Failed, "{measured:?}");
        assert_eq!(measured.values["requests"], 800.0);
        assert_eq!(measured.at, set_to);
    }
}

#[tokio::test]
async fn without_reports_nothing_is_known() {
    let silent = measure(check(), &testkit::context(&[], &[])).await;
    assert_eq!(silent.phase, Phase::Inconclusive);
    assert!(
        silent.message.contains("0 finished requests"),
        "{}",
        silent.message
    );
}
