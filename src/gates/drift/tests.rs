//! Samples asked of real servers and read from files; servers that do not answer as they should.

use std::{fmt::Write, sync::Arc};

use axum::{Router, routing::get};
use serde_json::{Value, json};

use crate::{
    gates::{
        Context,
        testkit::{self, Then},
    },
    model::check::{Measurement, Phase},
};

/// JSON lines of scores from `shift` to `shift` + 1.
fn lines(count: u32, shift: f64) -> String {
    (0..count).fold(String::new(), |mut text, at| {
        let score = f64::from(at) / f64::from(count) + shift;
        let _ = writeln!(text, "{}", json!({ "score": score }));
        text
    })
}

async fn server(text: String) -> std::net::SocketAddr {
    let answer = move || {
        let text = text.clone();
        async move { text }
    };
    testkit::serve(Router::new().route("/samples", get(answer))).await
}

async fn measure(samples: Value, context: &Context) -> Measurement {
    let spec = testkit::spec(json!({
        "name": "drift",
        "timeout": "5s",
        "drift": { "samples": samples, "fields": { "score": { "number": { "psi": 0.2 } } } },
    }));
    crate::gates::measuring(&spec).measure(context).await
}

#[tokio::test]
async fn samples_of_all_endpoints_are_compared() {
    let path = json!({ "path": "/samples" });
    let (a, b) = (server(lines(150, 0.0)).await, server(lines(150, 0.0)).await);
    let moved = server(lines(300, 0.5)).await;
    let idle = server(String::new()).await;
    let same = measure(path.clone(), &testkit::context(&[a, b, idle], &[b, a])).await;
    assert_eq!(same.phase, Phase::Successful, "{same:?}");
    assert_eq!(same.values["samples"], 300.0);
    let drifted = measure(path.clone(), &testkit::context(&[moved], &[a, b])).await;
    assert_eq!(drifted.phase, Phase::Failed, "{drifted:?}");
    let few = measure(path.clone(), &testkit::context(&[idle], &[a, b])).await;
    assert_eq!(few.phase, Phase::Inconclusive, "{few:?}");
    let first = testkit::aimed(testkit::context(&[a], &[]), |it| it.baseline = None);
    assert_eq!(measure(path, &first).await.phase, Phase::Successful);
}

#[tokio::test]
async fn samples_in_files() {
    let folder = tempfile::tempdir().unwrap();
    for (name, shift) in [("new.jsonl", 0.4), ("old.jsonl", 0.0)] {
        std::fs::write(folder.path().join(name), lines(400, shift)).unwrap();
    }
    let mut context = testkit::context(&[], &[]);
    context.files = Some(Arc::new(folder.path().to_owned()));
    let each = |candidate: &str| json!({ "each": { "candidate": { "file": candidate }, "baseline": { "file": "old.jsonl" } } });
    assert_eq!(
        measure(each("new.jsonl"), &context).await.phase,
        Phase::Failed
    );
    assert_eq!(
        measure(each("old.jsonl"), &context).await.phase,
        Phase::Successful
    );
    std::fs::write(
        folder.path().join("new.jsonl"),
        "{\"score\": 1}\n{\"score\":",
    )
    .unwrap();
    let broken = measure(each("new.jsonl"), &context).await;
    assert_eq!(broken.phase, Phase::Error);
    assert!(
        broken.message.contains("new.jsonl line 2"),
        "{}",
        broken.message
    );
}

#[tokio::test]
async fn without_samples_nothing_is_measured() {
    let live = server(lines(300, 0.0)).await;
    for (address, expected) in [
        (testkit::refused().await, "can't connect"),
        (testkit::raw("", Then::Hang).await, "no answer within"),
        (
            testkit::raw("HTTP/1.1 200 OK\r\n\r\n", Then::Flood).await,
            "longer than 16777216 bytes",
        ),
        (
            testkit::raw("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", Then::Close).await,
            "status 404",
        ),
        (
            testkit::raw(
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}\nno",
                Then::Close,
            )
            .await,
            "line 2",
        ),
    ] {
        let context = testkit::context(&[address], &[live]);
        let measured = measure(json!({ "path": "/samples" }), &context).await;
        assert_eq!(measured.phase, Phase::Error, "{expected}: {measured:?}");
        assert!(
            measured.message.contains(expected),
            "{expected}: {}",
            measured.message
        );
    }
}
