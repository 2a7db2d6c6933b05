//! Good answers pass; every way in which an endpoint can be wrong is a clear, bounded result.

use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    super::testkit::{Then, context, raw, refused, serve, spec},
    *,
};

/// A model that answers as a good one does.
fn model() -> Router {
    let score = |Json(asked): Json<Value>| async move {
        let answer = json!({ "version": "v1.3", "score": 0.25, "asked": asked, "nothing": null });
        ([("x-model-version", "v1.3")], Json(answer))
    };
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/score", post(score))
        .route(
            "/old",
            get(|| async { (StatusCode::FOUND, [("location", "/healthz")]) }),
        )
        .route(
            "/loop",
            get(|| async { (StatusCode::FOUND, [("location", "/loop")]) }),
        )
        .route(
            "/away",
            get(|| async { (StatusCode::FOUND, [("location", "::nowhere")]) }),
        )
}

async fn measure(context: &Context, http: Value) -> Measurement {
    let spec = spec(json!({ "name": "smoke", "timeout": "30s", "http": http }));
    crate::gates::measuring(&spec).measure(context).await
}

#[tokio::test]
async fn every_endpoint_must_answer_as_expected() {
    let good = serve(model()).await;
    let also_good = serve(model()).await;
    let request = json!({ "path": "/score", "body": { "version": "{{version}}" }, "expect": {
        "status": 200,
        "headers": { "x-model-version": "{{version}}", "content-type": { "matches": "^application/json" } },
        "json": [
            { "path": "$.version", "equals": "{{version}}" },
            { "path": "$.asked.version", "equals": "v1.3" },
            { "path": "$.score", "range": { "minimum": 0.0, "maximum": 1.0 } },
            { "path": "$.nothing" },
            { "path": "$.error", "exists": false },
        ],
        "matches": "\"score\": ?0.25",
        "latency": "5s",
    } });
    let measured = measure(&context(&[good, also_good], &[]), request.clone()).await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
    assert!(
        measured
            .message
            .starts_with("all 2 endpoints answered as expected")
    );
    assert_eq!(measured.values["endpoints"], 2.0);

    let away = refused().await;
    let measured = measure(&context(&[good, away], &[]), request).await;
    assert_eq!(measured.phase, Phase::Failed);
    let expected = format!("1 of 2 failed: {away}: POST /score: can't connect: ");
    assert!(
        measured.message.starts_with(&expected),
        "{}",
        measured.message
    );
}

#[tokio::test]
async fn what_is_not_as_expected_is_said() {
    let server = serve(model()).await;
    let post = |expect: Value| json!({ "path": "/score", "body": {}, "expect": expect });
    for (http, expected) in [
        (
            json!({ "path": "/nowhere" }),
            "GET /nowhere: answered 404 Not Found, not a 2xx",
        ),
        (
            post(json!({ "status": [201, 202] })),
            "answered 200 OK, not 201 or 202",
        ),
        (
            post(json!({ "headers": { "x-model-version": "v9" } })),
            "header x-model-version is \"v1.3\", not \"v9\"",
        ),
        (
            post(json!({ "headers": { "x-other": "a" } })),
            "there is no header x-other",
        ),
        (
            post(json!({ "json": [{ "path": "$.version", "equals": "v9" }] })),
            "$.version is \"v1.3\", not \"v9\"",
        ),
        (
            post(json!({ "json": [{ "path": "$.score", "range": { "maximum": 0.2 } }] })),
            "$.score is 0.25, not at most 0.2",
        ),
        (
            post(json!({ "json": [{ "path": "$.version", "range": { "maximum": 1.0 } }] })),
            "$.version is \"v1.3\", not a number",
        ),
        (
            post(json!({ "json": [{ "path": "$.none" }] })),
            "there is no $.none",
        ),
        (
            post(json!({ "json": [{ "path": "$.score", "exists": false }] })),
            "$.score is 0.25, and must not be there",
        ),
        (
            post(json!({ "json": [{ "path": "$.version", "matches": "^w" }] })),
            "which does not match \"^w\"",
        ),
        (
            post(json!({ "matches": "fraudulent" })),
            "\"fraudulent\" is not found in the body",
        ),
        (
            json!({ "path": "/healthz", "expect": { "json": [{ "path": "$" }] } }),
            "the body is no JSON",
        ),
        (
            json!({ "path": "/old" }),
            "answered 302 Found, not a 2xx (a redirect to \"/healthz\", followed only with",
        ),
        (
            json!({ "path": "/loop", "followRedirects": true }),
            "more than 5 redirects",
        ),
        (
            json!({ "path": "/away", "followRedirects": true }),
            "a redirect to \"::nowhere\", which is no URL",
        ),
    ] {
        let measured = measure(&context(&[server], &[]), http.clone()).await;
        assert_eq!(
            measured.phase,
            Phase::Failed,
            "{http}: {}",
            measured.message
        );
        assert!(
            measured.message.contains(expected),
            "{http}: {}",
            measured.message
        );
    }
}

#[tokio::test]
async fn redirects_are_followed_when_asked() {
    let server = serve(model()).await;
    let http = json!({ "path": "/old", "followRedirects": true, "expect": { "matches": "^ok$" } });
    let measured = measure(&context(&[server], &[]), http).await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
}

#[tokio::test]
async fn endpoints_that_misbehave_are_bounded_results() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n";
    for (bytes, then, expected) in [
        ("", Then::Hang, "no answer within"),
        ("", Then::Close, "closed without an answer"),
        (head, Then::Flood, "the answer is longer than 4194304 bytes"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            Then::Close,
            "in the middle of the answer, after 3 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            Then::Hang,
            "the answer did not end within",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            Then::Close,
            "in the middle of the answer",
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            Then::Close,
            "the answer is no HTTP",
        ),
        ("HTTP/1.1 200 OK\r\n", Then::Flood, "the answer is no HTTP"),
    ] {
        let server = raw(bytes, then).await;
        // Only who waits for what never comes waits as long as this.
        let limit = if then == Then::Hang { "300ms" } else { "30s" };
        let spec = spec(json!({ "name": "smoke", "timeout": limit, "http": {} }));
        let measured = crate::gates::measuring(&spec)
            .measure(&context(&[server], &[]))
            .await;
        assert_eq!(
            measured.phase,
            Phase::Failed,
            "{expected}: {}",
            measured.message
        );
        assert!(
            measured.message.contains(expected),
            "{expected}: {}",
            measured.message
        );
    }
}

#[tokio::test]
async fn a_version_without_endpoints_fails() {
    let measured = measure(&context(&[], &[]), json!({})).await;
    assert_eq!(measured.phase, Phase::Failed);
    assert_eq!(measured.message, "v1.3 has no endpoints");
}

#[tokio::test]
async fn open_inference_is_asked_for_health_model_and_inference() {
    let infer = |Json(asked): Json<Value>| async move {
        Json(
            json!({ "model_name": "fraud", "outputs": [{ "name": "score", "shape": [1], "datatype": "FP64",
            "data": asked["inputs"][0]["data"] }] }),
        )
    };
    let router = Router::new()
        .route("/v2/health/ready", get(|| async { "" }))
        .route("/v2/models/fraud/versions/v1.3/ready", get(|| async { "" }))
        .route("/v2/models/fraud/versions/v1.3/infer", post(infer))
        .route(
            "/v2/models/broken/versions/v1.3/ready",
            get(|| async { StatusCode::SERVICE_UNAVAILABLE }),
        )
        .route("/v2/models/empty/versions/v1.3/ready", get(|| async { "" }))
        .route(
            "/v2/models/empty/versions/v1.3/infer",
            post(|| async { Json(json!({ "outputs": [] })) }),
        );
    let server = serve(router).await;
    let http = |model: &str| {
        json!({
            "openInference": { "model": model, "modelVersion": "{{version}}",
                "infer": { "inputs": [{ "name": "x", "shape": [1], "datatype": "FP64", "data": [0.5] }] } },
            "expect": { "json": if model == "fraud" { json!([{ "path": "$.outputs[0].data[0]", "equals": 0.5 }]) } else { json!([]) } },
        })
    };
    let context = context(&[server], &[]);
    let measured = measure(&context, http("fraud")).await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
    for (model, expected) in [
        (
            "broken",
            "GET /v2/models/broken/versions/v1.3/ready: answered 503",
        ),
        (
            "other",
            "GET /v2/models/other/versions/v1.3/ready: answered 404",
        ),
        (
            "empty",
            "POST /v2/models/empty/versions/v1.3/infer: there are no outputs",
        ),
    ] {
        let measured = measure(&context, http(model)).await;
        assert_eq!(measured.phase, Phase::Failed, "{model}");
        assert!(measured.message.contains(expected), "{}", measured.message);
    }
}

#[tokio::test]
async fn openai_is_asked_for_its_models_and_an_answer() {
    let chat = |Json(asked): Json<Value>| async move {
        let silent = asked["model"] == "silent";
        let text = if silent { "" } else { "OK" };
        Json(json!({ "choices": [{ "message": { "role": "assistant", "content": text } }] }))
    };
    let models = || async { Json(json!({ "data": [{ "id": "v1.3-chat" }, { "id": "silent" }] })) };
    let router = Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat));
    let context = context(&[serve(router).await], &[]);
    let measured = measure(
        &context,
        json!({ "openai": { "model": "{{version}}-chat" } }),
    )
    .await;
    assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
    for (model, expected) in [
        (
            "other",
            "the server has no model \"other\", it lists [\"v1.3-chat\", \"silent\"]",
        ),
        (
            "silent",
            "POST /v1/chat/completions: the model answered with nothing",
        ),
    ] {
        let measured = measure(&context, json!({ "openai": { "model": model } })).await;
        assert_eq!(measured.phase, Phase::Failed, "{model}");
        assert!(measured.message.contains(expected), "{}", measured.message);
    }
}
