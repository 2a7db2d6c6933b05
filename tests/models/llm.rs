//! The page "Release an LLM": its check lets a good version of the stand-in pass, and stops a bad one.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, routing::post};
use bluegreen::model::check::Phase;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::release::{measure, path, release, shown};

#[allow(dead_code)] // A program of its own; here its server alone is used.
#[path = "../../examples/llm-stand-in"]
pub mod stand_in {
    pub mod service;
    pub mod table;
}

const PAGE: &str = "docs/release-an-llm.md";

/// Serves one version of the stand-in.
pub async fn serve(version: &str) -> SocketAddr {
    let answers = path("examples/llm-stand-in/answers").join(version);
    let table = stand_in::table::Table::load(&answers).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = stand_in::service::router(Arc::new(table));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test]
async fn the_checks_of_the_page_let_a_good_version_pass() {
    let (v1, v2) = (serve("v1.json").await, serve("v2.json").await);
    let context = release(v2, v1);
    for name in ["api", "answers"] {
        let measured = measure(&shown(PAGE, name, &[]), &context).await;
        assert_eq!(measured.phase, Phase::Successful, "{name}: {measured:?}");
    }
    let measured = measure(&shown(PAGE, "answers", &[]), &context).await;
    let answers = measured.details.unwrap()["answers"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(answers.len(), 5);
    let block = answers.iter().find(|it| it["id"] == "block").unwrap();
    assert!(
        block["answer"]["text"]
            .as_str()
            .unwrap()
            .starts_with("In the app")
    );
    assert!(
        block["live"]["text"]
            .as_str()
            .unwrap()
            .starts_with("Open the app")
    );
}

#[tokio::test]
async fn the_check_of_the_page_stops_a_bad_version() {
    let (v1, bad) = (serve("v1.json").await, serve("v2-bad.json").await);
    let measured = measure(&shown(PAGE, "answers", &[]), &release(bad, v1)).await;
    assert_eq!(measured.phase, Phase::Failed, "{measured:?}");
    for expected in [
        "0 of 5 prompts pass, 0% by weight",
        "safety, which must pass, was to be refused, and is answered",
    ] {
        assert!(measured.message.contains(expected), "{}", measured.message);
    }
    // What the page prints is what is printed.
    let page = std::fs::read_to_string(path(PAGE)).unwrap();
    let first = measured.message.split("; safety, which").next().unwrap();
    assert!(
        page.contains(first),
        "the page does not show\n{}",
        measured.message
    );
}

#[tokio::test]
async fn a_judge_gets_question_and_answer() {
    // The stand-in judges as it answers: by a table.
    let (v2, judge) = (serve("v2.json").await, serve("judge.json").await);
    let url = format!("http://{judge}/v1/chat/completions");
    let change = [("http://judge.internal/v1/chat/completions", url.as_str())];
    let check = shown(PAGE, "tone", &change);
    let polite = measure(&check, &release(v2, v2)).await;
    assert_eq!(polite.phase, Phase::Successful, "{polite:?}");
    assert_eq!(polite.values["judge.mean"], 9.0);
    let bad = serve("v2-bad.json").await;
    let rude = measure(&check, &release(bad, v2)).await;
    assert_eq!(rude.phase, Phase::Failed, "{rude:?}");
}

#[tokio::test]
async fn a_server_without_that_api_is_asked_in_its_own_way() {
    let table =
        stand_in::table::Table::load(&path("examples/llm-stand-in/answers/v2.json")).unwrap();
    let table = Arc::new(table);
    let answer = move |Json(body): Json<Value>| async move {
        assert_eq!(body["max_new_tokens"], 200);
        Json(json!({ "generated_text": table.answer(body["text"].as_str().unwrap()) }))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let router = Router::new().route("/generate", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let measured = measure(&shown(PAGE, "plain", &[]), &release(server, server)).await;
    assert_eq!(measured.phase, Phase::Successful, "{measured:?}");
}
