//! A load is open: it sends at its rate, counts from when requests were due, and ends whatever the version does.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{Router, http::StatusCode, routing::any};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        Which,
        testkit::{self, Then},
    },
    *,
};
use crate::telemetry::{ClusterStats, LocalityStats, StreamId, Telemetry};

/// Counts its requests, and answers each after so long.
async fn server(delay: Duration) -> (std::net::SocketAddr, Arc<AtomicU64>) {
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let answer = move || {
        let counter = Arc::clone(&counter);
        async move {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(delay).await;
            "ok"
        }
    };
    let broken = || async { StatusCode::SERVICE_UNAVAILABLE };
    let router = Router::new()
        .route("/score", any(answer))
        .route("/broken", any(broken));
    (testkit::serve(router).await, seen)
}

fn spec(load: &Value) -> Value {
    let mut whole = json!({ "rate": { "perSecond": 200.0 }, "duration": "1s", "requests": [{ "path": "/score", "body": {} }],
        "requestTimeout": "10s", "limits": {} });
    for (key, value) in load.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({ "name": "load", "load": whole })
}

async fn measure(context: &Context, load: Value) -> Measurement {
    crate::gates::measuring(&testkit::spec(spec(&load)))
        .measure(context)
        .await
}

#[tokio::test]
async fn every_request_is_sent_once_and_counted() {
    let (address, seen) = server(Duration::ZERO).await;
    let measured = measure(&testkit::context(&[address], &[]), json!({})).await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
    assert_eq!(seen.load(Ordering::SeqCst), 200);
    assert_eq!(
        (measured.values["requests"], measured.values["errorRate"]),
        (200.0, 0.0)
    );
    assert!(measured.values["latency.p99"] >= measured.values["latency.p50"]);
    // The warm-up is sent and does not count.
    let (address, seen) = server(Duration::ZERO).await;
    let measured = measure(
        &testkit::context(&[address], &[]),
        json!({ "warmUp": "500ms" }),
    )
    .await;
    assert_eq!(seen.load(Ordering::SeqCst), 300);
    assert_eq!(measured.values["requests"], 200.0);
}

/// One connection and answers that take 20 ms bear 50 a second of the 100: a closed loop would report 20 ms, but what users
/// wait for grows until the end.
#[tokio::test]
async fn waiting_for_a_connection_counts_as_latency() {
    let (address, _) = server(Duration::from_millis(20)).await;
    let load = json!({ "rate": { "perSecond": 100.0 }, "connections": 1, "requestTimeout": "60s", "limits": { "latency": { "p50": { "maximum": "100ms" } } } });
    let measured = measure(&testkit::context(&[address], &[]), load).await;
    assert_eq!(measured.phase, Phase::Failed);
    assert!(
        measured.message.contains("more than 100ms"),
        "{}",
        measured.message
    );
    assert!(
        measured.values["latency.p50"] > 0.4,
        "{:?}",
        measured.values
    );
    assert_eq!(measured.values["errorRate"], 0.0);
}

#[tokio::test]
async fn what_fails_is_counted_by_how_it_fails() {
    let (good, _) = server(Duration::ZERO).await;
    let hangs = testkit::raw("", Then::Hang).await;
    let closes = testkit::raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Then::Close).await;
    let floods = testkit::raw(
        "HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n",
        Then::Flood,
    )
    .await;
    let refused = testkit::refused().await;
    let few = json!({ "rate": { "perSecond": 20.0 } });
    let broken = json!({ "rate": { "perSecond": 20.0 }, "requests": [{ "path": "/broken" }] });
    for (address, load, expected) in [
        (
            good,
            broken,
            "100.00% failed, more than 0.00% (20 with status 503)",
        ),
        (
            hangs,
            json!({ "rate": { "perSecond": 20.0 }, "requestTimeout": "300ms" }),
            "20 without an answer in time",
        ),
        (closes, few.clone(), "20 broken connections"),
        (
            floods,
            json!({ "rate": { "perSecond": 4.0 }, "requestTimeout": "10s" }),
            "4 with endless answers",
        ),
        (refused, few, "20 without a connection"),
    ] {
        let measured = measure(&testkit::context(&[address], &[]), load).await;
        assert_eq!(measured.phase, Phase::Failed, "{expected}");
        assert!(
            measured.message.contains(expected),
            "{expected}: {}",
            measured.message
        );
    }
}

#[tokio::test]
async fn a_version_that_hangs_does_not_make_the_check_endless() {
    let hangs = testkit::raw("", Then::Hang).await;
    let load = json!({ "connections": 2, "requestTimeout": "200ms" });
    let measured = measure(&testkit::context(&[hangs], &[]), load).await;
    assert_eq!(measured.phase, Phase::Failed);
    assert!(
        measured
            .message
            .contains("never sent, all connections being busy"),
        "{}",
        measured.message
    );
    assert_eq!(measured.values["errorRate"], 1.0);
}

#[tokio::test]
async fn limits_may_be_relative_to_live() {
    let (slow, _) = server(Duration::from_millis(300)).await;
    let (fast, seen) = server(Duration::ZERO).await;
    let load =
        json!({ "liveRate": 100.0, "limits": { "latency": { "p50": { "timesLive": 2.0 } } } });
    let measured = measure(&testkit::context(&[slow], &[fast]), load.clone()).await;
    assert_eq!(measured.phase, Phase::Failed);
    assert!(
        measured.message.contains("more than 2 times live's"),
        "{}",
        measured.message
    );
    assert_eq!(seen.load(Ordering::SeqCst), 100);
    let measured = measure(&testkit::context(&[fast], &[slow]), load.clone()).await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
    assert!(measured.values.contains_key("live.latency.p99"));
    let first = testkit::aimed(testkit::context(&[fast], &[]), |target| {
        target.baseline = None
    });
    let measured = measure(&first, load.clone()).await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
    assert!(
        measured
            .message
            .ends_with("no live version to compare with"),
        "{}",
        measured.message
    );
    let measured = measure(&testkit::context(&[fast], &[]), load).await;
    assert_eq!(measured.phase, Phase::Error);
    assert!(
        measured.message.contains("v1.2 has no endpoints"),
        "{}",
        measured.message
    );
}

/// A minute in which a proxy sent 6,000 requests to live.
fn reported(context: Context) -> Context {
    let now = Timestamp::from_second(1_000_000).unwrap();
    let began = Timestamp::from_second(1_000_000 - 60).unwrap();
    let (set, clock) = testkit::set_by_hand(began);
    let telemetry = Telemetry::new(clock, || {});
    telemetry.open(StreamId(1), "edge-1", began);
    let stats = ClusterStats {
        cluster_name: "fraud-model/blue".to_owned(),
        upstream_locality_stats: vec![LocalityStats {
            total_issued_requests: 6_000,
            total_successful_requests: 6_000,
            ..LocalityStats::default()
        }],
        load_report_interval: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
        ..ClusterStats::default()
    };
    telemetry.report(StreamId(1), &[stats], now);
    set(now);
    Context {
        telemetry: Arc::new(telemetry),
        ..context
    }
}

#[tokio::test]
async fn the_rate_is_lives_where_none_is_given() {
    let (address, seen) = server(Duration::ZERO).await;
    let context = testkit::context(&[address], &[]);
    let measured = measure(&context, json!({ "rate": null })).await;
    assert_eq!(measured.phase, Phase::Error);
    assert!(
        measured
            .message
            .contains("report no traffic of fraud-model/blue"),
        "{}",
        measured.message
    );
    let context = reported(context);
    for (rate, expected) in [(Value::Null, 100), (json!({ "timesLive": 1.5 }), 150)] {
        seen.store(0, Ordering::SeqCst);
        let measured = measure(&context, json!({ "rate": rate })).await;
        assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
        assert_eq!(seen.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn requests_may_be_json_lines() {
    let (address, seen) = server(Duration::ZERO).await;
    let context = testkit::context(&[address], &[]);
    let rows = json!({ "requests": [], "data": { "rows": [{ "path": "/score" }, { "path": "/broken" }] } });
    let measured = measure(&context, rows).await;
    assert!(
        measured.message.contains("100 with status 503"),
        "{}",
        measured.message
    );
    assert_eq!(seen.load(Ordering::SeqCst), 100);
    let wrong =
        json!({ "requests": [], "data": { "rows": [{ "path": "/score" }, { "pth": "/" }] } });
    let measured = measure(&context, wrong).await;
    assert_eq!(measured.phase, Phase::Error);
    assert!(
        measured
            .message
            .starts_with("rows line 2: unknown field `pth`"),
        "{}",
        measured.message
    );
    assert_eq!(measured.at, Timestamp::UNIX_EPOCH);
    assert!(
        context
            .doors(&testkit::spec(spec(&json!({}))), Which::Baseline)
            .await
            .is_err()
    );
}
