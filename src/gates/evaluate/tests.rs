//! Labelled rows put to real servers: good and bad models, batches, and servers that do not answer as they should.

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

use crate::{
    gates::testkit::{self, Then},
    model::check::{Measurement, Phase},
};

/// Rows of an amount and whether it is fraud, as JSON lines would have them.
fn rows(count: usize) -> Value {
    (0..count)
        .map(|at| json!({ "input": { "amount": at }, "label": at % 4 == 0 }))
        .collect()
}

/// A model that is wrong on every `wrong`th row (by its amount), and answers with the fraud and a score.
fn model(wrong: usize) -> Router {
    let answer = move |Json(body): Json<Value>| async move {
        let one = |row: &Value| {
            let amount = row["amount"].as_u64().unwrap() as usize;
            json!(amount.is_multiple_of(4) ^ amount.is_multiple_of(wrong))
        };
        match body["rows"].as_array() {
            Some(rows) => Json(json!({ "outputs": rows.iter().map(one).collect::<Value>() })),
            None => Json(json!({ "fraud": one(&body) })),
        }
    };
    Router::new().route("/score", post(answer))
}

async fn measure(
    evaluate: Value,
    candidate: &[std::net::SocketAddr],
    baseline: &[std::net::SocketAddr],
) -> Measurement {
    let mut written = json!({
        "data": { "rows": rows(400) },
        "request": { "path": "/score" },
        "prediction": "$.fraud",
        "metrics": { "accuracy": { "minimum": 0.9, "margin": 0.02 } },
    });
    for (key, value) in evaluate.as_object().unwrap() {
        written[key] = value.clone();
    }
    let spec = testkit::spec(json!({ "name": "quality", "timeout": "5s", "evaluate": written }));
    let context = testkit::context(candidate, baseline);
    crate::gates::measuring(&spec).measure(&context).await
}

#[tokio::test]
async fn the_same_rows_are_put_to_both_versions() {
    let (good, bad) = (
        testkit::serve(model(40)).await,
        testkit::serve(model(7)).await,
    );
    let better = measure(json!({}), &[good], &[bad]).await;
    assert_eq!(better.phase, Phase::Successful, "{better:?}");
    assert_eq!(better.values["accuracy"], 0.975);
    assert!(better.values["accuracy.live"] < 0.87);
    let worse = measure(json!({}), &[bad], &[good]).await;
    assert_eq!(worse.phase, Phase::Failed, "{worse:?}");
    assert!(
        worse.message.contains("wanted at least 0.9"),
        "{}",
        worse.message
    );
    assert!(
        worse.message.contains("worse than live's"),
        "{}",
        worse.message
    );
}

#[tokio::test]
async fn many_rows_go_in_one_request() {
    let good = testkit::serve(model(40)).await;
    let batches = json!({
        "batch": 64,
        "request": { "path": "/score", "body": { "rows": "{{input}}", "count": "{{count}}" } },
        "prediction": "$.outputs[*]",
    });
    let measured = measure(batches, &[good], &[good]).await;
    assert_eq!(measured.phase, Phase::Successful, "{measured:?}");
    assert_eq!(measured.values["accuracy"], 0.975);
    let wrong = json!({
        "batch": 64,
        "request": { "path": "/score", "body": { "rows": "{{input}}" } },
        "prediction": "$.outputs[0]",
    });
    let measured = measure(wrong, &[good], &[good]).await;
    assert_eq!(measured.phase, Phase::Failed);
    assert!(
        measured.message.contains("1 predictions for 64 rows at $"),
        "{}",
        measured.message
    );
}

#[tokio::test]
async fn a_first_release_has_nothing_to_fall_behind() {
    let good = testkit::serve(model(40)).await;
    let written = json!({
        "data": { "rows": rows(400) },
        "request": { "path": "/score" },
        "prediction": "$.fraud",
        "metrics": { "accuracy": { "margin": 0.0 } },
    });
    let spec = testkit::spec(json!({ "name": "quality", "evaluate": written }));
    let context = testkit::aimed(testkit::context(&[good], &[]), |it| it.baseline = None);
    let measured = crate::gates::measuring(&spec).measure(&context).await;
    assert_eq!(measured.phase, Phase::Successful, "{measured:?}");
    assert!(
        measured.message.contains("no live version"),
        "{}",
        measured.message
    );
}

#[tokio::test]
async fn servers_that_do_not_answer_fail_clearly_and_in_time() {
    let live = testkit::serve(model(40)).await;
    for (server, expected) in [
        (testkit::refused().await, "can't connect"),
        (
            testkit::raw("", Then::Hang).await,
            "400 of 400 rows got no usable answer",
        ),
        (
            testkit::raw(
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"fr",
                Then::Close,
            )
            .await,
            "closed in the middle",
        ),
        (
            testkit::raw("HTTP/1.1 200 OK\r\n\r\n", Then::Flood).await,
            "longer than 1048576 bytes",
        ),
        (
            testkit::raw(
                "HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\nboom",
                Then::Close,
            )
            .await,
            "status 500",
        ),
        (
            testkit::raw(
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhtml",
                Then::Close,
            )
            .await,
            "is no JSON",
        ),
    ] {
        let measured = measure(json!({}), &[server], &[live]).await;
        assert_eq!(measured.phase, Phase::Failed, "{expected}: {measured:?}");
        assert!(
            measured.message.contains(expected),
            "{expected}: {}",
            measured.message
        );
        assert!(
            measured.message.contains("400 of 400 rows"),
            "{}",
            measured.message
        );
    }
}

#[tokio::test]
async fn data_that_can_not_be_read_names_its_line() {
    let good = testkit::serve(model(40)).await;
    let data = json!({ "data": { "rows": [{ "input": {}, "label": true }, { "input": {} }] } });
    let measured = measure(data, &[good], &[good]).await;
    assert_eq!(measured.phase, Phase::Error);
    assert_eq!(measured.message, "line 2 of the data has no $.label");
}
