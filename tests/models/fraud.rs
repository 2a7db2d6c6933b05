//! The two versions of the fraud model: evaluated on labelled data, and compared by their latest samples.

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use axum::{Json, Router, routing::post};
use bluegreen::{
    gates::{Context, client::Ask},
    model::check::Phase,
    telemetry::{ClusterStats, LocalityStats, NamedMetric, StreamId, Telemetry},
};
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

const PAGE: &str = "docs/checks.md";

/// Serves one version of the fraud model, until the sender is dropped with the test.
async fn serve(version: &str) -> (SocketAddr, watch::Sender<bool>) {
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
    assert_eq!(measured.values["samples"], 1200.0);
}

/// What a proxy reports of a version that scored these transactions: what Envoy makes of the header, added up.
async fn load_report(model: SocketAddr, cluster: &str, factor: f64) -> ClusterStats {
    let answers = traffic(model, factor).await;
    let mut metrics: Vec<NamedMetric> = Vec::new();
    for header in &answers {
        for metric in header.strip_prefix("TEXT ").unwrap().split(',') {
            let (name, value) = metric.split_once('=').unwrap();
            let value: f64 = value.parse().unwrap();
            match metrics.iter_mut().find(|it| it.metric_name == name) {
                Some(known) => {
                    known.num_requests_finished_with_metric += 1;
                    known.total_metric_value += value;
                }
                None => metrics.push(NamedMetric {
                    metric_name: name.to_owned(),
                    num_requests_finished_with_metric: 1,
                    total_metric_value: value,
                }),
            }
        }
    }
    let count = answers.len() as u64;
    ClusterStats {
        cluster_name: cluster.to_owned(),
        upstream_locality_stats: vec![LocalityStats {
            total_successful_requests: count,
            total_issued_requests: count,
            load_metric_stats: metrics,
            ..LocalityStats::default()
        }],
        load_report_interval: Duration::from_secs(1).try_into().ok(),
        ..ClusterStats::default()
    }
}

#[tokio::test]
async fn the_models_own_scores_are_held_against_lives() {
    let (blue, _blue) = serve("v1.3.json").await;
    let (green, _green) = serve("v1.3.json").await;
    let live = load_report(blue, "model/blue", 1.0).await;
    for (factor, phase) in [(1.0, Phase::Successful), (5_000.0, Phase::Failed)] {
        let own = load_report(green, "model/green", factor).await;
        let now = jiff::Timestamp::now();
        let telemetry = Telemetry::new(now - Duration::from_secs(30), || {});
        telemetry.open(StreamId(1), "proxy-1", now);
        telemetry.report(StreamId(1), &[live.clone(), own], now);
        let context = Context {
            telemetry: Arc::new(telemetry),
            ..release(green, blue)
        };
        let measured = measure(&shown(PAGE, "traffic", &[]), &context).await;
        assert_eq!(measured.phase, phase, "{factor}: {measured:?}");
        if phase == Phase::Failed {
            assert!(
                measured.message.contains("PSI of score"),
                "{}",
                measured.message
            );
        }
    }
}

/// Has the model score all transactions of the labelled data, with amounts times `factor`; what each answer told the proxies.
async fn traffic(model: SocketAddr, factor: f64) -> Vec<String> {
    let context = release(model, model);
    let mut told = Vec::new();
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
        told.push(metrics.to_owned());
    }
    told
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
