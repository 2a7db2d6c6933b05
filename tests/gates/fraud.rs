//! A release of the example fraud model: what its gates say of a good version, and of versions with something wrong.

use std::time::Duration;

use bluegreen::model::{Protocol, check::Phase};

use crate::fixtures::{FraudModel, checks, context, run};

const GATES: &str = r#"
- name: smoke
  http:
    path: /score
    body: { amount: 900.0, foreign: true, hour: 3, merchant_risk: 0.4, last_hour: 6, card_age_days: 20 }
    expect:
      headers: { x-model-version: "{{version}}" }
      json: [{ path: $.decision, equals: decline }, { path: $.version, equals: "{{version}}" }]
- name: same
  parity: { path: /version, ignore: [version] }
- name: load
  after: smoke
  load:
    rate: { perSecond: 200 }
    duration: 1s
    requests:
      - path: /score
        body: { amount: 43.2, foreign: false, hour: 17, merchant_risk: 0.01, last_hour: 0, card_age_days: 900 }
    limits: { latency: { p50: { maximum: 400ms } } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_version_passes_every_gate() {
    let (old, new) = (
        FraudModel::start("v1.2").await,
        FraudModel::start("v1.3").await,
    );
    let context = context(("v1.3", vec![new.address]), ("v1.2", vec![old.address]));
    let analysis = run(checks(GATES), &context).await;
    assert_eq!(analysis.phase, Phase::Successful, "{}", analysis.message);
    assert!(analysis.ended_at.is_some());
    let load = &analysis.check("load").unwrap().measurements[0];
    assert_eq!(load.values["requests"], 200.0);
    assert_eq!(load.values["errorRate"], 0.0);
}

/// v1.2 is staged where v1.3 was meant: it scores that payment otherwise, and the load is not even begun.
#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_weights_fail_the_smoke_test_and_spare_the_load() {
    let (old, new) = (
        FraudModel::start("v1.2").await,
        FraudModel::start("v1.2").await,
    );
    let context = context(("v1.3", vec![new.address]), ("v1.2", vec![old.address]));
    let analysis = run(checks(GATES), &context).await;
    assert_eq!(analysis.phase, Phase::Failed);
    let smoke = analysis.check("smoke").unwrap();
    let expected = "1 of 1 failed: ";
    assert!(smoke.message.starts_with(expected), "{}", smoke.message);
    assert!(
        smoke
            .message
            .contains("header x-model-version is \"v1.2\", not \"v1.3\""),
        "{}",
        smoke.message
    );
    let load = analysis.check("load").unwrap();
    assert_eq!(
        (load.phase, load.measurements.len()),
        (Phase::Inconclusive, 0)
    );
    assert_eq!(
        load.message,
        "not run: it comes after smoke, which is Failed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_too_slow_fails_the_load_alone() {
    let old = FraudModel::start("v1.2").await;
    let new = FraudModel::slow("v1.3", Duration::from_millis(500)).await;
    let context = context(("v1.3", vec![new.address]), ("v1.2", vec![old.address]));
    let analysis = run(checks(GATES), &context).await;
    assert_eq!(analysis.check("smoke").unwrap().phase, Phase::Successful);
    let load = analysis.check("load").unwrap();
    assert_eq!(load.phase, Phase::Failed);
    assert!(load.message.starts_with("p50 is "), "{}", load.message);
}

/// The same endpoints, spoken to in HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_speaks_http2_is_asked_in_http2() {
    let (old, new) = (
        FraudModel::start("v1.2").await,
        FraudModel::start("v1.3").await,
    );
    let mut context = context(("v1.3", vec![new.address]), ("v1.2", vec![old.address]));
    let target = std::sync::Arc::get_mut(&mut context.target).unwrap();
    target.protocol = Protocol::Http2;
    let analysis = run(checks(GATES), &context).await;
    assert_eq!(analysis.phase, Phase::Successful, "{}", analysis.message);
}
