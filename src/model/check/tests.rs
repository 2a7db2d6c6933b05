//! Checks as people write them: every kind is read, written back the same, and refused with the place when it is wrong.

use serde_json::{Value, json};

use super::*;
use crate::model::path::Path;

/// One check of every kind, with every field that it has.
fn every_kind() -> Vec<Value> {
    vec![
        json!({ "name": "smoke", "interval": "10s", "count": 3, "failureLimit": 1, "timeout": "5s", "http": {
            "method": "POST", "path": "/score?v={{version}}", "headers": { "x-a": "{{service}}" },
            "body": { "amount": 1 }, "host": "fraud.example", "scheme": "https", "followRedirects": true,
            "expect": { "status": [200, 201], "headers": { "x-model-version": "{{version}}", "x-b": { "matches": "^a" } },
                "json": [{ "path": "$.version", "equals": "{{version}}" }, { "path": "$.score", "range": { "minimum": 0.0 } },
                    { "path": "$.error", "exists": false }],
                "matches": "score", "latency": "200ms" } } }),
        json!({ "name": "ready", "through": "proxies", "proxyAddresses": ["10.0.0.1:10000"], "http": {
            "openInference": { "model": "fraud", "modelVersion": "{{version}}", "infer": { "inputs": [] } } } }),
        json!({ "name": "chat", "http": { "openai": { "model": "m", "prompt": "Say OK", "maxTokens": 5 } } }),
        json!({ "name": "quality", "after": "smoke", "evaluate": {
            "data": { "file": "fraud/labelled.jsonl" }, "request": { "path": "/score" }, "input": "$.transaction",
            "label": "$.fraud", "prediction": "$.score", "positive": true, "threshold": 0.5,
            "metrics": { "accuracy": { "minimum": 0.9, "margin": 0.01 }, "rmse": { "maximum": 0.4 } },
            "minimumSamples": 200, "maximumSamples": 1000 } }),
        json!({ "name": "answers", "prompts": {
            "data": { "url": "http://data.example/prompts.jsonl" },
            "endpoint": { "openai": { "model": "m", "temperature": 0.0 } },
            "expect": { "contains": ["yes"], "refusal": false, "similarity": { "to": "live", "rougeL": 0.5, "embedding": 0.8 },
                "judge": 7.0 },
            "passRate": 0.95, "mustPass": ["a"],
            "embedding": { "url": "http://e.example/v1/embeddings", "model": "e" },
            "judge": { "url": "https://j.example/v1/chat/completions", "model": "j", "rubric": "Be fair." } } }),
        json!({ "name": "load", "tls": { "caFile": "ca.pem", "serverName": "fraud.example" }, "load": {
            "rate": { "timesLive": 1.5 }, "duration": "30s", "warmUp": "5s", "requests": [{ "path": "/score", "body": {} }],
            "liveRate": 50.0,
            "limits": { "errorRate": 0.01, "latency": { "p99": { "maximum": "200ms", "timesLive": 1.2 } } } } }),
        json!({ "name": "same", "parity": { "path": "/info", "ignore": ["version", "$.host"] } }),
        json!({ "name": "errors", "prometheus": {
            "address": "http://prometheus:9090", "query": "rate(x{cluster=\"{{cluster}}\"}[1m])",
            "successCondition": "result[0] < 0.05", "whenEmpty": "Successful", "whenNaN": "Error" } }),
        json!({ "name": "reports", "proxies": {
            "successRate": { "minimum": 0.99, "margin": 0.005 },
            "metrics": { "fraud_score": { "mean": { "maximum": 0.4 }, "shift": { "relative": 0.1 } } },
            "buckets": { "score": { "names": ["score_0", "score_1"], "psi": 0.2 } },
            "failureCondition": "metrics.fraud_score > 2 * baseline.metrics.fraud_score" } }),
        json!({ "name": "inputs", "drift": {
            "samples": { "path": "/samples" },
            "fields": { "amount": { "number": { "ks": { "pValue": 0.01, "statistic": 0.1 }, "psi": 0.2 } },
                "merchant": { "category": { "chiSquare": { "pValue": 0.01 } } } } } }),
        json!({ "name": "ask", "webhook": { "url": "https://hook.example/{{version}}", "data": { "x": 1 }, "retries": 2 } }),
        json!({ "name": "sign-off", "manual": { "question": "Is {{version}} good?", "approvers": ["ann", "bo"], "approvals": 2 } }),
    ]
}

fn read(values: &[Value]) -> Vec<CheckSpec> {
    let read = |value: &Value| serde_json::from_value(value.clone()).unwrap();
    values.iter().map(read).collect()
}

fn problems(values: &[Value], used: CheckUse) -> Vec<String> {
    let found = validate_checks(&Path::from(["validation"]), &read(values), used);
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn every_kind_is_read_and_written_back_the_same() {
    let checks = read(&every_kind());
    assert_eq!(problems(&every_kind(), CheckUse::Gate), [""; 0]);
    for check in checks {
        let written = serde_json::to_value(&check).unwrap();
        let again: CheckSpec = serde_json::from_value(written).unwrap();
        assert_eq!(again, check);
    }
}

#[test]
fn a_check_is_of_exactly_one_kind() {
    for (value, expected) in [
        (
            json!({ "name": "a" }),
            "check a checks nothing: write http, evaluate",
        ),
        (
            json!({ "name": "a", "http": {}, "load": { "duration": "1s", "limits": {} } }),
            "check a is http and load",
        ),
        (json!({ "name": "a", "htttp": {} }), "unknown field `htttp`"),
        (json!({ "http": {} }), "missing field `name`"),
        (
            json!({ "name": "a", "http": { "pth": "/" } }),
            "unknown field `pth`",
        ),
    ] {
        let error = serde_json::from_value::<CheckSpec>(value.clone()).unwrap_err();
        assert!(error.to_string().contains(expected), "{value}: {error}");
    }
}

/// The check of that name with the value at a pointer replaced, as a gate.
fn with(name: &str, pointer: &str, value: Value) -> Vec<String> {
    let mut changed = every_kind();
    let at = changed
        .iter()
        .position(|check| check["name"] == name)
        .unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    changed[at].pointer_mut(parent).unwrap()[key] = value;
    problems(&changed, CheckUse::Gate)
}

#[test]
fn each_rule_refuses_what_breaks_it() {
    for (name, pointer, value, expected) in [
        (
            "chat",
            "/name",
            json!("ready"),
            "[2].name: ready is the name of check 1 already",
        ),
        (
            "smoke",
            "/interval",
            json!("0s"),
            "[0].interval: must be more than 0",
        ),
        (
            "smoke",
            "/interval",
            json!("100ms"),
            "[0].interval: 100ms is less than 1s",
        ),
        (
            "smoke",
            "/count",
            json!(0),
            "[0].count: 0 would measure nothing",
        ),
        (
            "smoke",
            "/count",
            Value::Null,
            "[0].count: is missing: a gate with an interval would never end",
        ),
        (
            "smoke",
            "/interval",
            Value::Null,
            "[0].interval: is missing",
        ),
        (
            "smoke",
            "/timeout",
            json!("500h"),
            "[0].timeout: 500h is more than",
        ),
        (
            "quality",
            "/after",
            json!("nobody"),
            "[3].after: there is no check nobody beside it",
        ),
        (
            "quality",
            "/after",
            json!("quality"),
            "[3].after: quality would wait for itself",
        ),
        (
            "same",
            "/through",
            json!("proxies"),
            "[6].through: a parity check sends nothing",
        ),
        (
            "smoke",
            "/proxyAddresses",
            json!(["a:1"]),
            "[0].proxyAddresses: counts only with",
        ),
        (
            "smoke",
            "/tls",
            json!({ "caFile": "../ca.pem" }),
            "[0].tls.caFile: \"../ca.pem\" leads out of the server's folder",
        ),
        (
            "smoke",
            "/tls",
            json!({ "caFile": "ca.pem", "insecureSkipVerify": true }),
            "[0].tls.insecureSkipVerify: counts for nothing beside caFile",
        ),
        (
            "smoke",
            "/tls",
            json!({ "serverName": "https://fraud.example" }),
            "[0].tls.serverName: \"https://fraud.example\" is no name of a server",
        ),
        (
            "sign-off",
            "/tls",
            json!({}),
            "[11].tls: a manual check asks nobody by HTTPS",
        ),
        (
            "smoke",
            "/http/path",
            json!("score"),
            "[0].http.path: \"score\" must begin with /",
        ),
        (
            "smoke",
            "/http/path",
            json!("/a b"),
            "[0].http.path: \"/a b\" holds ' '",
        ),
        (
            "smoke",
            "/http/path",
            json!("/{{versoin}}"),
            "[0].http.path: {{versoin}} is not known, there is baseline.cluster",
        ),
        (
            "smoke",
            "/http/method",
            json!("get"),
            "[0].http.method: \"get\" is no HTTP method",
        ),
        (
            "smoke",
            "/http/headers",
            json!({ "a b": "" }),
            "[0].http.headers.a b: \"a b\" is no header name",
        ),
        (
            "smoke",
            "/http/body",
            json!({ "a": ["{{x}}"] }),
            "[0].http.body.a[0]: {{x}} is not known",
        ),
        (
            "smoke",
            "/http/expect/status",
            json!(99),
            "[0].http.expect.status: 99 is no HTTP status",
        ),
        (
            "smoke",
            "/http/expect/status",
            json!([]),
            "[0].http.expect.status: no answer would have any of no statuses: list some, or leave it out",
        ),
        (
            "smoke",
            "/http/expect/matches",
            json!("("),
            "[0].http.expect.matches: \"(\" is no regular expression",
        ),
        (
            "smoke",
            "/http/expect/json/0/path",
            json!("$["),
            "[0].http.expect.json[0].path: \"$[\" is no JSON path",
        ),
        (
            "smoke",
            "/http/expect/json/1/range",
            json!({}),
            "[0].http.expect.json[1].range: says nothing",
        ),
        (
            "smoke",
            "/http/openai",
            json!({ "model": "m" }),
            "[0].http.openai: says itself what is asked",
        ),
        (
            "quality",
            "/evaluate/data",
            json!({ "file": "../etc/passwd" }),
            "[3].evaluate.data.file: ",
        ),
        (
            "quality",
            "/evaluate/data",
            json!({ "url": "ftp://x" }),
            "[3].evaluate.data.url: \"ftp://x\" is no URL",
        ),
        (
            "quality",
            "/evaluate/data",
            json!({ "rows": [] }),
            "[3].evaluate.data.rows: is empty",
        ),
        (
            "quality",
            "/evaluate/metrics",
            json!({}),
            "[3].evaluate.metrics: is empty",
        ),
        (
            "quality",
            "/evaluate/metrics",
            json!({ "recall": { "minimum": 80 } }),
            "[3].evaluate.metrics.recall.minimum: 80 is never reached: recall is from 0 to 1",
        ),
        (
            "quality",
            "/evaluate/metrics",
            json!({ "mae": { "minimum": 1.0 } }),
            "[3].evaluate.metrics.mae.minimum: of mae less is better",
        ),
        (
            "quality",
            "/evaluate/metrics",
            json!({ "f1": { "maximum": 1.0 } }),
            "[3].evaluate.metrics.f1.maximum: of f1 more is better",
        ),
        (
            "quality",
            "/evaluate/batch",
            json!(0),
            "[3].evaluate.batch: must be 1 or more",
        ),
        (
            "quality",
            "/evaluate/maximumSamples",
            json!(10),
            "[3].evaluate.maximumSamples: 10 is less than minimumSamples",
        ),
        (
            "answers",
            "/prompts/passRate",
            json!(95.0),
            "[4].prompts.passRate: 95 is not from 0 to 1",
        ),
        (
            "answers",
            "/prompts/judge",
            Value::Null,
            "[4].prompts.judge: is missing",
        ),
        (
            "answers",
            "/prompts/embedding",
            Value::Null,
            "[4].prompts.embedding: is missing",
        ),
        (
            "load",
            "/load/requests",
            json!([]),
            "[5].load.requests: is empty",
        ),
        (
            "load",
            "/load/liveRate",
            Value::Null,
            "[5].load.liveRate: is missing",
        ),
        (
            "load",
            "/load/rate",
            json!({ "perSecond": 0.0 }),
            "[5].load.rate.perSecond: 0 is not from",
        ),
        (
            "same",
            "/parity/ignore",
            json!(["host", "$["]),
            "[6].parity.ignore[1]: ",
        ),
        (
            "errors",
            "/prometheus/address",
            json!("prometheus:9090"),
            "[7].prometheus.address: ",
        ),
        (
            "errors",
            "/prometheus/address",
            json!("http://u:p@prometheus"),
            "[7].prometheus.address: holds a password",
        ),
        (
            "errors",
            "/prometheus/successCondition",
            json!("rslt[0] < 0.05"),
            "[7].prometheus.successCondition: \"rslt[0] < 0.05\" is about nothing that is measured: there is result",
        ),
        (
            "errors",
            "/prometheus/successCondition",
            json!("result >"),
            "[7].prometheus.successCondition: ",
        ),
        (
            "errors",
            "/prometheus/whenNaN",
            json!("Running"),
            "[7].prometheus.whenNaN: write Successful",
        ),
        (
            "reports",
            "/proxies/buckets/score/names",
            json!(["a"]),
            "[8].proxies.buckets.score.names: ",
        ),
        (
            "inputs",
            "/drift/fields",
            json!({ "a": { "number": {} } }),
            "[9].drift.fields.a.number: says nothing",
        ),
        (
            "ask",
            "/webhook/retries",
            json!(11),
            "[10].webhook.retries: 11 is more than 10",
        ),
        (
            "sign-off",
            "/manual/approvals",
            json!(3),
            "[11].manual.approvals: 3 are more than",
        ),
    ] {
        let found = with(name, pointer, value);
        let expected = format!("validation{expected}");
        assert!(
            found.len() == 1 && found[0].starts_with(&expected),
            "{pointer}: {found:?}, not {expected}"
        );
    }
}

#[test]
fn only_gates_have_a_way_through_the_proxies() {
    let through = json!({ "name": "smoke", "through": "proxies", "http": {} });
    assert_eq!(
        problems(std::slice::from_ref(&through), CheckUse::Gate),
        [""; 0]
    );
    for used in [CheckUse::Monitor, CheckUse::Step] {
        let found = problems(std::slice::from_ref(&through), used);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("[0].through: proxies is for gates"));
    }
}

#[test]
fn a_monitor_may_go_on_until_it_is_stopped_and_asks_a_person_in_steps_only() {
    let endless = json!({ "name": "a", "interval": "10s", "http": {} });
    assert_eq!(
        problems(std::slice::from_ref(&endless), CheckUse::Monitor),
        [""; 0]
    );
    assert_eq!(problems(&[endless], CheckUse::Gate).len(), 1);
    let person = json!({ "name": "a", "manual": {} });
    assert_eq!(
        problems(std::slice::from_ref(&person), CheckUse::Monitor).len(),
        1
    );
    assert_eq!(problems(&[person], CheckUse::Step), [""; 0]);
}
