//! The two versions of the fraud model: evaluated on labelled data, and compared by their latest samples.

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use axum::{Json, Router, routing::post};
use bluegreen::{gates::client::Ask, model::check::Phase};
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use super::release::{measure, path, release, shown};

#[allow(dead_code)] // A program of its own; here its server alone is used.
#[path = "../../examples/fraud-model"]
mod fraud_model {
    pub mod model;
    pub mod recent;
    pub mod service;
    pub mod trouble;
}

/// The page whose checks are run.
pub const PAGE: &str = "docs/checks.md";

/// Lines of the labelled data.
pub const ROWS: u64 = 1_200;

/// Serves one version of the fraud model, until the sender is dropped with the test.
pub async fn serve(version: &str) -> (SocketAddr, watch::Sender<bool>) {
    let weights = path("examples/fraud-model/weights").join(version);
    let service = fraud_model::service::Service {
        model: fraud_model::model::Model::load(&weights).unwrap(),
        delay: Duration::ZERO,
        version: HeaderValue::from_static("test"),
        recent: fraud_model::recent::Recent::default(),
        trouble: fraud_model::trouble::Trouble::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(fraud_model::service::serve(
        listener,
        Arc::new(service),
        stopped,
    ));
    (address, stop)
}

fn labelled() -> Vec<Value> {
    let text = std::fs::read_to_string(path("examples/fraud-model/labelled.jsonl")).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

#[test]
fn the_labelled_data_is_what_its_script_makes() {
    let folder = path("examples/fraud-model");
    let script = Command::new("python3")
        .arg(folder.join("make-labelled-data"))
        .output()
        .unwrap();
    assert!(
        script.status.success(),
        "{}",
        String::from_utf8_lossy(&script.stderr)
    );
    let kept = std::fs::read(folder.join("labelled.jsonl")).unwrap();
    assert!(
        script.stdout == kept,
        "run examples/fraud-model/make-labelled-data again"
    );
}

#[tokio::test]
async fn the_better_version_passes_and_the_worse_one_does_not() {
    let (old, _old) = serve("v1.2.json").await;
    let (new, _new) = serve("v1.3.json").await;
    let check = shown(PAGE, "quality", &[]);
    let better = measure(&check, &release(new, old)).await;
    assert_eq!(better.phase, Phase::Successful, "{better:?}");
    assert!(better.values["recall"] > better.values["recall.live"] + 0.1);
    let worse = measure(&check, &release(old, new)).await;
    assert_eq!(worse.phase, Phase::Failed, "{worse:?}");
    assert!(
        worse.message.contains("worse than live's"),
        "{}",
        worse.message
    );
}

/// A model server of the Open Inference Protocol around one version: positive from 0.3 on.
async fn infer(version: &str) -> SocketAddr {
    let weights = path("examples/fraud-model/weights").join(version);
    let model = Arc::new(fraud_model::model::Model::load(&weights).unwrap());
    let answer = move |Json(body): Json<Value>| async move {
        let input = &body["inputs"][0];
        let rows = input["data"].as_array().unwrap();
        assert_eq!(
            (&input["shape"], &input["datatype"]),
            (&json!([rows.len(), 6]), &json!("FP64"))
        );
        let one = |row: &Value| {
            let number = |at: usize| row[at].as_f64().unwrap();
            let transaction = fraud_model::model::Transaction {
                amount: number(0),
                foreign: number(1) > 0.0,
                hour: number(2) as u8,
                merchant_risk: number(3),
                last_hour: number(4) as u32,
                card_age_days: number(5) as u32,
            };
            u8::from(model.score(&transaction).score >= 0.3)
        };
        let data: Vec<u8> = rows.iter().map(one).collect();
        let output =
            json!({ "name": "fraud", "shape": [data.len()], "datatype": "INT64", "data": data });
        Json(json!({ "model_name": "fraud-model", "outputs": [output] }))
    };
    let router = Router::new().route("/v2/models/fraud-model/infer", post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test]
async fn open_inference_in_batches() {
    let (old, new) = (infer("v1.2.json").await, infer("v1.3.json").await);
    let measured = measure(&shown(PAGE, "infer", &[]), &release(new, old)).await;
    assert_eq!(measured.phase, Phase::Successful, "{measured:?}");
    assert_eq!(measured.values["samples"], ROWS as f64);
}

/// Has the model score all transactions of the labelled data, with amounts times `factor`.
pub async fn traffic(model: SocketAddr, factor: f64) {
    let context = release(model, model);
    for row in labelled() {
        let mut input = row["input"].clone();
        input["amount"] = json!(input["amount"].as_f64().unwrap() * factor);
        let url = format!("http://{model}/score").parse().unwrap();
        let ask = Ask::new(Method::POST, url, Duration::from_secs(60)).with_json(&input);
        let answer = context.client.ask(ask).await.unwrap();
        assert_eq!(answer.status, 200);
        let metrics = answer.headers["endpoint-load-metrics"].to_str().unwrap();
        assert!(
            metrics.starts_with("TEXT named_metrics.fraud_score="),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn drifted_inputs_are_seen_in_the_samples() {
    let (blue, _blue) = serve("v1.3.json").await;
    let (green, _green) = serve("v1.3.json").await;
    let (drifted, _drifted) = serve("v1.3.json").await;
    traffic(blue, 1.0).await;
    traffic(green, 1.0).await;
    traffic(drifted, 4.0).await;
    let check = shown(PAGE, "drift", &[]);
    let same = measure(&check, &release(green, blue)).await;
    assert_eq!(same.phase, Phase::Successful, "{same:?}");
    let moved = measure(&check, &release(drifted, blue)).await;
    assert_eq!(moved.phase, Phase::Failed, "{moved:?}");
    assert!(moved.message.contains("of amount is"), "{}", moved.message);
}
