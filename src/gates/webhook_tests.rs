//! A webhook's verdict counts; what is no verdict is tried again, within bounds, or an error that says what came.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use super::*;
use crate::gates::testkit::{self, Then};

/// Answers these one after the other, the last for ever; keeps what it was asked.
async fn hook(answers: Vec<(u16, Value)>) -> (String, Arc<Mutex<Vec<Value>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (kept, at) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
    let answer = move |Json(asked): Json<Value>| {
        kept.lock().unwrap().push(asked);
        let number = at.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let (status, body) = answers[number].clone();
        async move { (StatusCode::from_u16(status).unwrap(), Json(body)) }
    };
    let router = Router::new().route("/{version}", post(answer));
    (
        format!("http://{}/{{{{version}}}}", testkit::serve(router).await),
        seen,
    )
}

async fn measure(url: &str, retries: u32, limit: &str) -> Measurement {
    let webhook = json!({ "url": url, "retries": retries, "retryDelay": "1ms", "data": { "note": "{{version}} over {{baseline.version}}" } });
    let spec = testkit::spec(json!({ "name": "ask", "timeout": limit, "webhook": webhook }));
    let endpoint = "10.0.0.1:8080".parse().unwrap();
    crate::gates::measuring(&spec)
        .measure(&testkit::context(&[endpoint], &[]))
        .await
}

#[tokio::test]
async fn its_verdict_counts() {
    for phase in [
        Phase::Successful,
        Phase::Failed,
        Phase::Inconclusive,
        Phase::Error,
    ] {
        let verdict = json!({ "phase": phase, "message": "says risk", "values": { "risk": 0.5 } });
        let (url, seen) = hook(vec![(200, verdict)]).await;
        let measured = measure(&url, 0, "30s").await;
        assert_eq!((measured.phase, &*measured.message), (phase, "says risk"));
        assert_eq!(measured.values["risk"], 0.5);
        let asked = seen.lock().unwrap().clone();
        assert_eq!(
            asked,
            [json!({
                "check": "ask", "fleet": "payments", "service": "fraud-model",
                "candidate": { "version": "v1.3", "colour": "green", "cluster": "fraud-model/green", "endpoints": ["10.0.0.1:8080"] },
                "baseline": { "version": "v1.2", "colour": "blue", "cluster": "fraud-model/blue", "endpoints": [] },
                "data": { "note": "v1.3 over v1.2" },
            })]
        );
    }
}

#[tokio::test]
async fn a_server_error_is_tried_again_and_a_verdict_waited_for() {
    let good = json!({ "phase": "Successful" });
    let answers = vec![
        (500, json!({})),
        (429, json!({})),
        (200, json!({ "phase": "Running" })),
        (200, good),
    ];
    let (url, seen) = hook(answers).await;
    let measured = measure(&url, 2, "30s").await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
    assert_eq!(seen.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn what_is_no_verdict_is_a_bounded_error() {
    let (down, seen) = hook(vec![(500, json!({}))]).await;
    let (refuses, _) = hook(vec![(403, json!({}))]).await;
    let (strange, _) = hook(vec![(200, json!({ "phase": "Fine" }))]).await;
    let (endless, _) = hook(vec![(200, json!({ "phase": "Running" }))]).await;
    let hangs = format!("http://{}/", testkit::raw("", Then::Hang).await);
    let floods = testkit::raw(
        "HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n",
        Then::Flood,
    )
    .await;
    let away = format!("http://{}/", testkit::refused().await);
    for (url, expected) in [
        (&down, "answered 500 Internal Server Error; tried 3 times"),
        (&refuses, "answered 403 Forbidden, not a 2xx"),
        (&strange, "unknown variant `Fine`"),
        (&endless, "no verdict within 300ms"),
        (&hangs, "no verdict within 300ms"),
        (&format!("http://{floods}/"), "the answer is longer than"),
        (&away, "can't connect"),
    ] {
        let limit = if expected.starts_with("no verdict") {
            "300ms"
        } else {
            "30s"
        };
        let measured = measure(url, 2, limit).await;
        assert_eq!(measured.phase, Phase::Error, "{expected}");
        assert!(
            measured.message.contains(expected),
            "{expected}: {}",
            measured.message
        );
    }
    assert_eq!(seen.lock().unwrap().len(), 3);
}
