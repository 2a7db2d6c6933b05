//! Rows come from where the check says, and from nowhere else; what can't be read says what and where.

use std::sync::Arc;

use axum::{Router, http::StatusCode, routing::get};
use serde_json::{Value, json};

use super::*;
use crate::gates::testkit;

async fn load_from(context: &Context, source: Value) -> Result<Vec<Value>, String> {
    let source = serde_json::from_value(source).unwrap();
    let rows = load::<Value>(&source, context, Duration::from_secs(30)).await;
    let rows = rows.map_err(|error| error.to_string())?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// A context whose folder of check data holds these files.
fn with_files(files: &[(&str, &str)]) -> (tempfile::TempDir, Context) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let context = Context {
        files: Some(Arc::new(folder)),
        ..testkit::context(&[], &[])
    };
    (dir, context)
}

#[tokio::test]
async fn a_file_below_the_folder_is_read_and_no_other() {
    let (dir, context) = with_files(&[
        ("good.jsonl", "{\"a\":1}\n{\"a\":2}\n"),
        ("bad.jsonl", "1\n{\n"),
    ]);
    std::fs::write(dir.path().join("secret.jsonl"), "1\n").unwrap();
    let link = dir.path().join("data/link.jsonl");
    std::os::unix::fs::symlink(dir.path().join("secret.jsonl"), link).unwrap();
    let rows = load_from(&context, json!({ "file": "good.jsonl" })).await;
    assert_eq!(rows, Ok(vec![json!({ "a": 1 }), json!({ "a": 2 })]));
    for (file, expected) in [
        (
            "bad.jsonl",
            "bad.jsonl line 2: is no JSON: EOF while parsing an object at column 1",
        ),
        ("none.jsonl", "none.jsonl can't be read: No such file"),
        ("link.jsonl", "link.jsonl leads out of the server's folder"),
        (
            "../secret.jsonl",
            "../secret.jsonl leads out of the server's folder",
        ),
    ] {
        let error = load_from(&context, json!({ "file": file }))
            .await
            .unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let none = testkit::context(&[], &[]);
    let error = load_from(&none, json!({ "file": "good.jsonl" }))
        .await
        .unwrap_err();
    assert!(error.contains("start it with --check-data DIR"), "{error}");
}

#[tokio::test]
async fn a_url_is_asked_with_its_templates_filled_in() {
    let router = Router::new()
        .route("/v1.3.jsonl", get(|| async { "1\n2\n" }))
        .route("/broken.jsonl", get(|| async { "1\nx\n" }))
        .route("/away.jsonl", get(|| async { StatusCode::NOT_FOUND }));
    let base = format!("http://{}", testkit::serve(router).await);
    let context = testkit::context(&[], &[]);
    let url = |path: &str| json!({ "url": format!("{base}/{path}.jsonl") });
    let rows = load_from(&context, url("{{version}}")).await;
    assert_eq!(rows, Ok(vec![json!(1), json!(2)]));
    for (path, expected) in [
        (
            "broken",
            format!("{base}/broken.jsonl line 2: is no JSON: expected value at column 1"),
        ),
        (
            "away",
            format!("GET {base}/away.jsonl answered 404 Not Found"),
        ),
    ] {
        let error = load_from(&context, url(path)).await.unwrap_err();
        assert_eq!(error, expected);
    }
    let refused = testkit::refused().await;
    let source = json!({ "url": format!("http://{refused}/x") });
    let error = load_from(&context, source).await.unwrap_err();
    assert!(error.contains("can't connect"), "{error}");
}
