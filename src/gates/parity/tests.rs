//! Environments that are alike pass; every difference is shown as a diff, and whose fault a missing answer is.

use axum::{Json, Router, routing::get};
use serde_json::json;

use super::*;
use crate::{
    gates::testkit::{self, Then, aimed},
    model::Protocol,
};

async fn telling(info: Value) -> SocketAddr {
    let router = Router::new().route("/info", get(move || async move { Json(info) }));
    testkit::serve(router).await
}

async fn measure(context: &Context, parity: Value) -> Measurement {
    within("30s", context, parity).await
}

async fn within(limit: &str, context: &Context, parity: Value) -> Measurement {
    let spec = testkit::spec(json!({ "name": "same", "timeout": limit, "parity": parity }));
    crate::gates::measuring(&spec).measure(context).await
}

fn info(version: &str, workers: u32) -> Value {
    json!({ "version": version, "gpu": { "host": version, "kind": "a100" }, "workers": workers, "labels": ["x", version] })
}

#[tokio::test]
async fn what_may_differ_is_ignored_and_nothing_else() {
    let old = telling(info("v1.2", 4)).await;
    let new = telling(info("v1.3", 4)).await;
    let context = testkit::context(&[new], &[old]);
    let ignore = json!({ "path": "/info", "ignore": ["version", "$.gpu.host", "$.labels[1]"] });
    let measured = measure(&context, ignore.clone()).await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
    assert_eq!(measured.message, "v1.2 and v1.3 are alike");

    let fewer = telling(info("v1.3", 2)).await;
    let measured = measure(&testkit::context(&[fewer], &[old]), ignore).await;
    assert_eq!(measured.phase, Phase::Failed);
    assert_eq!(
        measured.message,
        "they differ in what they tell of themselves at /info: - \"workers\": 4 + \"workers\": 2"
    );
    let details = measured.details.unwrap();
    let diff = details["what they tell of themselves at /info"]
        .as_str()
        .unwrap();
    assert!(
        diff.starts_with("--- v1.2 (blue)\n+++ v1.3 (green)\n@@"),
        "{diff}"
    );
    let measured = measure(&context, json!({ "path": "/info", "ignore": ["version"] })).await;
    assert!(
        measured.message.contains("- \"host\": \"v1.2\""),
        "{}",
        measured.message
    );
}

#[tokio::test]
async fn numbers_of_endpoints_and_settings_are_compared() {
    let servers = [
        telling(json!({})).await,
        telling(json!({})).await,
        telling(json!({})).await,
    ];
    let context = testkit::context(&servers[..1], &servers[1..]);
    let measured = measure(&context, json!({})).await;
    assert_eq!(
        measured.message,
        "they differ in the number of endpoints: - 2 + 1"
    );
    let measured = measure(&context, json!({ "endpoints": false })).await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);

    let settings = |name: &str, timeout: &str| {
        json!({
        "connect_timeout": timeout, "name": name, "eds_cluster_config": { "service_name": name } })
    };
    let with = |timeout: &str| {
        let (old, new) = (
            settings("fraud-model/blue", "0.25s"),
            settings("fraud-model/green", timeout),
        );
        aimed(testkit::context(&servers[..1], &servers[1..2]), |target| {
            target.candidate.settings = Some(new);
            target.baseline.as_mut().unwrap().settings = Some(old);
        })
    };
    assert_eq!(
        measure(&with("0.25s"), json!({})).await.phase,
        Phase::Successful
    );
    let measured = measure(&with("1s"), json!({})).await;
    assert_eq!(
        measured.message,
        "they differ in the settings of the cluster: - \"connect_timeout\": \"0.25s\", + \"connect_timeout\": \"1s\","
    );
    assert_eq!(
        measure(&with("1s"), json!({ "cluster": false }))
            .await
            .phase,
        Phase::Successful
    );
}

#[tokio::test]
async fn who_does_not_answer_is_named_and_blamed() {
    let good = telling(info("v1.2", 4)).await;
    let ssh = testkit::raw("SSH-2.0-OpenSSH_9.2\r\n", Then::Close).await;
    let text = testkit::raw(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        Then::Close,
    )
    .await;
    let hangs = testkit::raw("", Then::Hang).await;
    let path = json!({ "path": "/info", "endpoints": false });
    for (candidate, baseline, parity, phase, expected) in [
        (
            vec![ssh],
            vec![good],
            json!({}),
            Phase::Failed,
            format!("{ssh} of v1.3 does not speak HTTP/1.1"),
        ),
        (
            vec![good],
            vec![ssh],
            json!({}),
            Phase::Error,
            format!("{ssh} of v1.2 does not speak HTTP/1.1"),
        ),
        (
            vec![text],
            vec![good],
            path.clone(),
            Phase::Failed,
            format!("GET /info of {text} answered no JSON"),
        ),
        (
            vec![hangs],
            vec![good],
            path.clone(),
            Phase::Failed,
            format!("{hangs} of v1.3 does not speak HTTP/1.1: no answer"),
        ),
        (
            vec![good],
            vec![],
            path.clone(),
            Phase::Error,
            "v1.2 has no endpoints".to_owned(),
        ),
        (
            vec![],
            vec![good],
            path,
            Phase::Failed,
            "v1.3 has no endpoints".to_owned(),
        ),
    ] {
        let context = testkit::context(&candidate, &baseline);
        let limit = if expected.ends_with("no answer") {
            "1s"
        } else {
            "30s"
        };
        let measured = within(limit, &context, parity).await;
        assert_eq!(measured.phase, phase, "{expected}: {}", measured.message);
        assert!(
            measured.message.starts_with(&expected),
            "{expected}: {}",
            measured.message
        );
    }
    let first = aimed(testkit::context(&[good], &[]), |target| {
        target.baseline = None
    });
    let measured = measure(&first, json!({})).await;
    assert_eq!(measured.phase, Phase::Successful);
    assert_eq!(measured.message, "there is no live version to compare with");
}

#[tokio::test]
async fn endpoints_of_one_version_must_tell_the_same() {
    let old = telling(json!({ "a": 1 })).await;
    let (one, other) = (
        telling(json!({ "a": 1 })).await,
        telling(json!({ "a": 2 })).await,
    );
    let context = testkit::context(&[one, other], &[old]);
    let measured = measure(&context, json!({ "path": "/info", "endpoints": false })).await;
    assert_eq!(measured.phase, Phase::Failed);
    assert_eq!(
        measured.message,
        "endpoints of v1.3 differ from each other at /info: - \"a\": 1 + \"a\": 2"
    );
}

/// A server that speaks HTTP/2 and resets every request for that reason: so do those of gRPC with what is no gRPC.
async fn resetting(reason: h2::Reason) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_reset(reason);
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_grpc_server_that_answers_nothing_else_speaks_its_protocol() {
    let protocol = json!({ "endpoints": false, "protocol": true });
    for (reason, phase) in [
        (h2::Reason::INTERNAL_ERROR, Phase::Successful),
        (h2::Reason::HTTP_1_1_REQUIRED, Phase::Error),
    ] {
        let (old, new) = (resetting(reason).await, resetting(reason).await);
        let context = aimed(testkit::context(&[new], &[old]), |target| {
            target.protocol = Protocol::Grpc;
        });
        let measured = measure(&context, protocol.clone()).await;
        assert_eq!(measured.phase, phase, "{}", measured.message);
    }
}
