//! Bad input to checks: refused with the place when it is declared, a bounded result when it shows while they run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bluegreen::{
    gates::Context,
    model::{check::Phase, parse_documents},
};
use jiff::Timestamp;

use crate::fixtures::{FraudModel, checks, context, run};

/// The problem of a service with that check among its gates, on one line.
fn refused(check: &str) -> String {
    let text = format!(
        "apiVersion: bluegreen/v1
kind: Service
metadata: {{ name: fraud-model }}
spec:
  fleet: payments
  release:
    validation:
      - {{ name: smoke, http: {{ path: /healthz }} }}
      - {check}
"
    );
    let error = parse_documents("f.yaml", &text).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn a_check_that_is_wrong_is_refused_where_it_stands() {
    for (check, expected) in [
        (
            "{ name: a, htttp: {} }",
            "spec.release.validation[1].htttp: unknown field, did you mean http?",
        ),
        (
            "{ name: a, telepathy: {} }",
            "spec.release.validation[1].telepathy: unknown field, here may stand name",
        ),
        (
            "{ name: a }",
            "spec.release.validation[1]: check a checks nothing: write http, evaluate",
        ),
        (
            "{ name: a, http: {}, manual: {} }",
            "spec.release.validation[1]: check a is http and manual: make two",
        ),
        (
            "{ name: a, http: { path: score } }",
            "spec.release.validation[1].http.path: \"score\" must begin with /",
        ),
        (
            "{ name: a, http: { expect: { status: ok } } }",
            "spec.release.validation[1].http.expect.status: expected a status",
        ),
        (
            "{ name: smoke, http: {} }",
            "spec.release.validation[1].name: smoke is the name of check 0 already",
        ),
        (
            "{ name: a, after: b, http: {} }",
            "spec.release.validation[1].after: there is no check b beside it",
        ),
        (
            "{ name: a, interval: 10, http: {} }",
            "spec.release.validation[1].interval: expected a duration with its unit",
        ),
        (
            "{ name: a, prometheus: { address: 'http://p', query: up, successCondition: 'result >' } }",
            "spec.release.validation[1].prometheus.successCondition: \"result >\" is no CEL expression",
        ),
    ] {
        let error = refused(check);
        assert!(error.starts_with(expected), "{check}: {error}");
        assert!(error.ends_with("(f.yaml line 9)"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_that_can_not_be_read_are_an_error_with_the_line() {
    let model = FraudModel::start("v1.3").await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("requests.jsonl"),
        "{\"path\":\"/healthz\"}\n\n{\"path\":\n",
    )
    .unwrap();
    let context = Context {
        files: Some(Arc::new(dir.path().to_owned())),
        ..context(("v1.3", vec![model.address]), ("v1.2", vec![]))
    };
    let load = "- { name: load, consecutiveErrorLimit: 0, load: { rate: { perSecond: 10 }, duration: 1s, \
                data: { file: requests.jsonl }, limits: {} } }";
    let analysis = run(checks(load), &context).await;
    assert_eq!(analysis.phase, Phase::Error);
    assert_eq!(
        analysis.message,
        "load is Error: requests.jsonl line 3: is no JSON: EOF while parsing a value at column 8"
    );
}

/// A day forth, then a day back, at every look.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_changes_nothing() {
    let model = FraudModel::start("v1.3").await;
    let looks = AtomicI64::new(0);
    let clock = move || {
        let look = looks.fetch_add(1, Ordering::SeqCst);
        Timestamp::from_second(1_700_000_000 + look % 2 * 86_400).unwrap()
    };
    let context = Context {
        clock: Arc::new(clock),
        ..context(("v1.3", vec![model.address]), ("v1.2", vec![]))
    };
    let smoke = "- { name: smoke, interval: 1s, count: 2, timeout: 30s, http: { path: /healthz } }";
    let ended = tokio::time::timeout(Duration::from_secs(60), run(checks(smoke), &context)).await;
    let analysis = ended.expect("it ends");
    assert_eq!(analysis.phase, Phase::Successful, "{}", analysis.message);
    assert_eq!(analysis.check("smoke").unwrap().tally.successful, 2);
}
