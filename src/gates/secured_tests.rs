//! Checks over TLS, with servers whose certificates are from an authority of the test's own.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    routing::{any, get},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    gates::testkit::{self, Authority, aimed},
    model::Protocol,
};

/// What a model server and the systems around it answer, all on one address.
fn answers() -> Router {
    let score = || async { Json(json!({ "score": 1.0 })) };
    let telling = || async { Json(json!({ "workers": 4 })) };
    let rows = || async { format!("{}\n", json!({ "input": {}, "label": true })).repeat(100) };
    let samples = || async { format!("{}\n", json!({ "amount": 1.0 })).repeat(300) };
    let vector =
        json!({ "status": "success", "data": { "resultType": "scalar", "result": [0.0, "1"] } });
    let verdict = || async { Json(json!({ "phase": "Successful", "message": "yes" })) };
    Router::new()
        .route("/score", any(score))
        .route("/info", get(telling))
        .route("/rows", get(rows))
        .route("/samples", get(samples))
        .route("/api/v1/query", any(move || async { Json(vector) }))
        .route("/hook", any(verdict))
}

/// A release of one server over itself, and a folder with the authority's certificate.
struct World {
    server: SocketAddr,
    folder: TempDir,
    context: Context,
}

/// Its certificate is for these names.
async fn world(names: &[&str]) -> World {
    let authority = Authority::new();
    let server = testkit::serve_tls(answers(), &authority, names).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "no certificate").unwrap();
    let mut context = testkit::context(&[server], &[server]);
    context.files = Some(Arc::new(folder.path().to_owned()));
    World {
        server,
        folder,
        context,
    }
}

async fn measure(context: &Context, kind: &str, check: Value, tls: Option<Value>) -> Measurement {
    let mut spec = json!({ "name": "secure", "timeout": "30s" });
    spec[kind] = check;
    if let Some(tls) = tls {
        spec["tls"] = tls;
    }
    crate::gates::measuring(&testkit::spec(spec))
        .measure(context)
        .await
}

fn load() -> Value {
    json!({ "rate": { "perSecond": 100.0 }, "duration": "500ms", "requests": [{ "path": "/score" }], "limits": {} })
}

#[tokio::test]
async fn every_check_that_asks_can_ask_by_https() {
    let world = world(&["127.0.0.1", "fraud.example"]).await;
    let url = format!("https://{}", world.server);
    let trusted = json!({ "caFile": "ca.pem" });
    let threshold = json!({ "minimum": 0.9 });
    for (kind, check) in [
        ("http", json!({ "path": "/score" })),
        ("load", load()),
        ("parity", json!({ "path": "/info" })),
        (
            "evaluate",
            json!({ "data": { "url": format!("{url}/rows") }, "request": { "path": "/score" }, "prediction": "$.score",
                "threshold": 0.5, "metrics": { "accuracy": threshold } }),
        ),
        (
            "prompts",
            json!({ "data": { "rows": [{ "id": "a", "prompt": "?" }] }, "endpoint": { "plain": { "request": { "path": "/score" } } },
                "expect": { "contains": ["score"] } }),
        ),
        (
            "drift",
            json!({ "samples": { "path": "/samples" }, "fields": { "amount": { "number": { "psi": 0.2 } } } }),
        ),
        (
            "prometheus",
            json!({ "address": url, "query": "x", "successCondition": "result == 1.0" }),
        ),
        (
            "webhook",
            json!({ "url": format!("{url}/hook"), "retries": 0 }),
        ),
    ] {
        let measured = measure(&world.context, kind, check.clone(), Some(trusted.clone())).await;
        assert_eq!(measured.phase, Phase::Successful, "{kind}: {measured:?}");
        // The system does not trust this authority.
        let measured = measure(&world.context, kind, check, Some(json!({}))).await;
        assert_ne!(measured.phase, Phase::Successful, "{kind}: {measured:?}");
    }
}

#[tokio::test]
async fn a_load_is_sent_in_either_protocol_and_counted() {
    let world = world(&["fraud.example"]).await;
    let tls = json!({ "caFile": "ca.pem", "serverName": "fraud.example" });
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let context = aimed(world.context.clone(), |target| target.protocol = protocol);
        let measured = measure(&context, "load", load(), Some(tls.clone())).await;
        assert_eq!(measured.phase, Phase::Successful, "{measured:?}");
        assert_eq!(measured.values["requests"], 50.0);
    }
}

#[tokio::test]
async fn a_certificate_must_be_for_the_name_that_is_asked() {
    let world = world(&["fraud.example"]).await;
    for name in [None, Some("other.example")] {
        let mut tls = json!({ "caFile": "ca.pem" });
        if let Some(name) = name {
            tls["serverName"] = json!(name);
        }
        let http = measure(
            &world.context,
            "http",
            json!({ "path": "/score" }),
            Some(tls.clone()),
        )
        .await;
        assert_eq!(http.phase, Phase::Failed);
        assert!(
            http.message
                .contains("no TLS connection: invalid peer certificate"),
            "{}",
            http.message
        );
        let load = measure(&world.context, "load", load(), Some(tls)).await;
        assert_eq!(load.phase, Phase::Failed);
        assert!(
            load.message.contains("50 without TLS: the certificate"),
            "{}",
            load.message
        );
    }
    // Unless any will do.
    let any = Some(json!({ "insecureSkipVerify": true }));
    for (kind, check) in [("http", json!({ "path": "/score" })), ("load", load())] {
        let measured = measure(&world.context, kind, check, any.clone()).await;
        assert_eq!(measured.phase, Phase::Successful, "{kind}: {measured:?}");
    }
}

#[tokio::test]
async fn a_file_without_certificates_is_an_error_that_names_it() {
    let world = world(&["127.0.0.1"]).await;
    for (file, said) in [
        ("absent.pem", "tls.caFile: absent.pem can't be read"),
        ("empty.pem", "tls.caFile: empty.pem holds no certificate"),
    ] {
        let tls = Some(json!({ "caFile": file }));
        let measured = measure(&world.context, "http", json!({ "path": "/score" }), tls).await;
        assert_eq!(measured.phase, Phase::Error);
        assert!(measured.message.starts_with(said), "{}", measured.message);
    }
    // A new file counts from the next measurement on.
    let folder = world.folder.path();
    std::fs::copy(folder.join("ca.pem"), folder.join("empty.pem")).unwrap();
    let tls = Some(json!({ "caFile": "empty.pem" }));
    let measured = measure(&world.context, "http", json!({ "path": "/score" }), tls).await;
    assert_eq!(measured.phase, Phase::Successful, "{measured:?}");
}

/// The address that [`asked_by_a_process_of_its_own`] asks.
const ASK: &str = "BLUEGREEN_TEST_ASK";

/// Whether a process whose system trusts the certificates of this file gets an answer.
async fn answered(file: &std::path::Path, url: &str) -> bool {
    let asking = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "gates::secured::tests::asked_by_a_process_of_its_own",
        ])
        .env("SSL_CERT_FILE", file)
        .env_remove("SSL_CERT_DIR")
        .env(ASK, url)
        .output();
    let told = asking.await.unwrap();
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(said.contains("running 1 test"), "{said}");
    told.status.success()
}

#[tokio::test]
async fn the_systems_roots_are_those_of_ssl_cert_file() {
    let world = world(&["127.0.0.1"]).await;
    let secure = format!("https://{}/score", world.server);
    let plain = format!("http://{}/score", testkit::serve(answers()).await);
    let (ca, empty) = (
        world.folder.path().join("ca.pem"),
        world.folder.path().join("empty.pem"),
    );
    assert!(answered(&ca, &secure).await);
    assert!(!answered(&empty, &secure).await);
    // A machine without any certificates, such as a small container.
    assert!(answered(&empty, &plain).await);
}

#[tokio::test]
#[ignore = "run by the_systems_roots_are_those_of_ssl_cert_file, with another environment"]
async fn asked_by_a_process_of_its_own() {
    let url = std::env::var(ASK).unwrap().parse().unwrap();
    let ask =
        crate::gates::client::Ask::new(http::Method::GET, url, std::time::Duration::from_secs(20));
    let answer = Client::new().unwrap().ask(ask).await.unwrap();
    assert_eq!(answer.status, http::StatusCode::OK);
}
