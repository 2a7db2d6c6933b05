//! Similarity of answers by a real embedding model: all-MiniLM-L6-v2, served by examples/embedder.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bluegreen::{
    gates::{client::Ask, stats::cosine},
    model::check::Phase,
};
use http::Method;
use serde_json::{Value, json};

use super::{
    llm::serve,
    release::{measure, path, release, shown},
};

/// The embedding server, until it is dropped.
struct Embedder {
    process: Child,
    url: String,
}

impl Embedder {
    fn start() -> Self {
        let packages = Command::new(path("tests/python/get-packages"))
            .arg("embedder")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&packages.stderr);
        assert!(packages.status.success(), "{errors}");
        let mut process = Command::new("python3")
            .arg(path("examples/embedder/main.py"))
            .env(
                "PYTHONPATH",
                String::from_utf8(packages.stdout).unwrap().trim(),
            )
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut address).unwrap();
        assert!(!address.is_empty(), "the embedder did not start");
        let url = format!("http://{}/v1/embeddings", address.trim());
        Self { process, url }
    }
}

impl Drop for Embedder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The values that the authors of sentence-transformers print for this model in their quickstart.
#[tokio::test]
async fn the_model_is_the_one_that_it_says() {
    let embedder = Embedder::start();
    let sentences = [
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    ];
    let url = embedder.url.parse().unwrap();
    let ask = Ask::new(Method::POST, url, Duration::from_secs(60))
        .with_json(&json!({ "model": "all-MiniLM-L6-v2", "input": sentences }));
    let nobody = "127.0.0.1:9".parse().unwrap();
    let answer = release(nobody, nobody).client.ask(ask).await.unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let vector = |at: usize| -> Vec<f64> {
        serde_json::from_value(body["data"][at]["embedding"].clone()).unwrap()
    };
    for (one, other, expected) in [(0, 1, 0.6660), (0, 2, 0.1046), (1, 2, 0.1411)] {
        let found = cosine(&vector(one), &vector(other)).unwrap();
        assert!((found - expected).abs() < 0.0005, "{one} {other}: {found}");
    }
}

#[tokio::test]
async fn other_words_of_the_same_meaning_pass_and_another_meaning_does_not() {
    let embedder = Embedder::start();
    let change = [(
        "http://embedder.internal/v1/embeddings",
        embedder.url.as_str(),
    )];
    let check = shown("docs/release-an-llm.md", "meaning", &change);
    let (v1, v2) = (serve("v1.json").await, serve("v2.json").await);
    let same = measure(&check, &release(v2, v1)).await;
    assert_eq!(same.phase, Phase::Successful, "{same:?}");
    assert!(same.values["embedding.mean"] > 0.6, "{same:?}");
    let bad = serve("v2-bad.json").await;
    let other = measure(&check, &release(bad, v1)).await;
    assert_eq!(other.phase, Phase::Failed, "{other:?}");
    assert!(
        other.message.contains("is not alike: cosine"),
        "{}",
        other.message
    );
}
