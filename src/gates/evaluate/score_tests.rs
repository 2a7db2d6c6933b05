//! Verdicts on labelled rows, without a model: good, bad, behind live, too few, and odd answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{
    gates::{
        evaluate::{behind::judge, examples::MAX_SHOWN},
        stats::Interval,
    },
    model::check::{DataSource, HttpRequest, Measurement},
};

fn check(metrics: Value, more: Value) -> EvaluateCheck {
    let mut written = json!({
        "data": { "rows": [] },
        "request": { "path": "/score" },
        "prediction": "$.fraud",
        "metrics": metrics,
    });
    for (key, value) in more.as_object().unwrap() {
        written[key] = value.clone();
    }
    let check: EvaluateCheck = serde_json::from_value(written).unwrap();
    assert_eq!(check.data, DataSource::Rows(Vec::new()));
    assert_eq!(check.request.headers, HttpRequest::default().headers);
    check
}

/// Rows of label, answer, and live's answer.
fn rows(answers: impl IntoIterator<Item = (Value, Value, Value)>) -> Vec<Row> {
    answers
        .into_iter()
        .enumerate()
        .map(|(index, (label, candidate, baseline))| Row {
            line: index + 1,
            label,
            candidate: Ok(candidate),
            baseline: Some(Ok(baseline)),
        })
        .collect()
}

fn measured(check: &EvaluateCheck, rows: &[Row]) -> Measurement {
    score(check, rows, &|| true).at(Timestamp::UNIX_EPOCH)
}

/// So many rows, of which every `wrong`th is wrong for the version, and every tenth for live.
fn fraud(samples: usize, wrong: usize) -> Vec<Row> {
    rows((0..samples).map(|index| {
        let label = index % 3 == 0;
        let said = |wrong: usize| json!(label ^ (index % wrong == 0));
        (json!(label), said(wrong), said(10))
    }))
}

#[test]
fn a_good_version_passes_with_its_numbers() {
    let check = check(
        json!({ "accuracy": { "minimum": 0.85, "margin": 0.05 }, "recall": { "minimum": 0.8 } }),
        json!({}),
    );
    let measurement = measured(&check, &fraud(500, 10));
    assert_eq!(measurement.phase, Phase::Successful, "{measurement:?}");
    assert_eq!(measurement.values["accuracy"], 0.9);
    assert_eq!(measurement.values["accuracy.behind"], 0.0);
    assert_eq!(measurement.values["bootstrap.seed"], 1.0);
    assert_eq!(measurement.values["samples"], 500.0);
}

#[test]
fn below_the_minimum_fails_and_says_by_how_much() {
    let check = check(json!({ "accuracy": { "minimum": 0.85 } }), json!({}));
    let measurement = measured(&check, &fraud(500, 5));
    assert_eq!(measurement.phase, Phase::Failed);
    assert_eq!(
        measurement.message,
        "accuracy is 0.8000 of 500 samples, wanted at least 0.85"
    );
    let wrong = &measurement.details.unwrap()["wrong"];
    assert_eq!(wrong.as_array().unwrap().len(), MAX_SHOWN);
    // Live is right on line 6, wrong on line 1.
    assert_eq!(wrong[0]["line"], 6);
}

#[test]
fn behind_live_fails_only_when_the_interval_says_so() {
    let check = check(json!({ "accuracy": { "margin": 0.02 } }), json!({}));
    let clear = measured(&check, &fraud(2000, 4));
    assert_eq!(clear.phase, Phase::Failed, "{clear:?}");
    assert!(clear.values["accuracy.behind.low"] > 0.02);
    assert!(
        clear.message.contains("worse than live's"),
        "{}",
        clear.message
    );
    let unclear = measured(&check, &fraud(120, 8));
    assert_eq!(unclear.phase, Phase::Inconclusive, "{unclear:?}");
    assert!(
        unclear.message.contains("too few samples"),
        "{}",
        unclear.message
    );
    assert_eq!(measured(&check, &fraud(2000, 12)).phase, Phase::Successful);
}

/// Distance and interval are said in the same direction, whichever it is.
#[test]
fn an_interval_reads_the_way_its_distance_does() {
    let said = |distance: f64, low: f64, high: f64| {
        let interval = Interval { low, high };
        judge(Metric::Recall, distance, interval, 0.02, 0.95).1
    };
    for (text, expected) in [
        (
            said(-0.18, -0.25, -0.12),
            "recall is 0.1800 better than live's (95% interval: 0.1200 to 0.2500 better)",
        ),
        (
            said(0.18, 0.12, 0.25),
            "recall is 0.1800 worse than live's (95% interval: 0.1200 to 0.2500 worse), wanted at most 0.02 worse",
        ),
        (
            said(-0.01, -0.03, 0.01),
            "recall is 0.0100 better than live's (95% interval: 0.0300 better to 0.0100 worse)",
        ),
        (
            said(-0.01, -0.03, 0.0),
            "recall is 0.0100 better than live's (95% interval: 0.0000 to 0.0300 better)",
        ),
        (
            said(0.0, 0.0, 0.0),
            "recall is the same as live's (95% interval: 0.0000 to 0.0000 worse)",
        ),
    ] {
        assert_eq!(text, expected);
    }
}

#[test]
fn too_few_samples_are_inconclusive_whatever_they_say() {
    let check = check(json!({ "accuracy": { "minimum": 0.99 } }), json!({}));
    let measurement = measured(&check, &fraud(99, 5));
    assert_eq!(measurement.phase, Phase::Inconclusive);
    assert_eq!(
        measurement.message,
        "too few samples: 99 answered, 100 wanted"
    );
}

#[test]
fn rows_without_a_usable_answer_are_counted_and_shown() {
    let check = check(json!({ "accuracy": { "minimum": 0.5 } }), json!({}));
    let mut rows = fraud(300, 10);
    rows[6].candidate = Err("status 500".to_owned());
    let measurement = measured(&check, &rows);
    assert_eq!(measurement.phase, Phase::Failed);
    assert_eq!(
        measurement.message,
        "1 of 300 rows got no usable answer, the first in line 7: status 500"
    );
    let lenient = EvaluateCheck {
        maximum_error_rate: 0.01,
        ..check
    };
    assert_eq!(measured(&lenient, &rows).phase, Phase::Successful);
    rows[6].candidate = Ok(json!({ "odd": true }));
    assert_eq!(measured(&lenient, &rows).phase, Phase::Successful);
}

#[test]
fn live_that_does_not_answer_is_nothing_to_compare_with() {
    let check = check(json!({ "accuracy": { "margin": 0.02 } }), json!({}));
    let mut rows = fraud(300, 10);
    for row in &mut rows[..250] {
        row.baseline = Some(Err("no answer within 5s".to_owned()));
    }
    let measurement = measured(&check, &rows);
    assert_eq!(measurement.phase, Phase::Inconclusive);
    assert!(
        measurement
            .message
            .contains("50 answered by both, 100 wanted, e.g. no answer")
    );
}

#[test]
fn scores_are_ranked_and_cut_at_the_threshold() {
    let check = check(
        json!({ "rocAuc": { "minimum": 0.99 }, "precision": { "minimum": 0.99 } }),
        json!({ "threshold": 0.5, "positive": "fraud" }),
    );
    let scores = rows((0..200_u32).map(|index| {
        let label = if index % 4 == 0 { "fraud" } else { "fine" };
        let score = if label == "fraud" { 0.9 } else { 0.3 };
        (json!(label), json!(score), json!(0.5))
    }));
    let measurement = measured(&check, &scores);
    assert_eq!(measurement.phase, Phase::Successful, "{measurement:?}");
    assert_eq!(measurement.values["rocAuc"], 1.0);
}

#[test]
fn errors_of_numbers_are_better_when_small() {
    let check = check(
        json!({ "mae": { "maximum": 1.0, "margin": 0.1 } }),
        json!({}),
    );
    let numbers = |off: f64| {
        rows((0..300_u32).map(|index| {
            let truth = f64::from(index);
            (json!(truth), json!(truth + off), json!(truth - 0.5))
        }))
    };
    assert_eq!(measured(&check, &numbers(0.4)).phase, Phase::Successful);
    let behind = measured(&check, &numbers(0.8));
    assert_eq!(behind.phase, Phase::Failed);
    assert!(
        behind.message.contains("mae is 0.3000 worse than live's"),
        "{}",
        behind.message
    );
    assert!(
        measured(&check, &numbers(2.0))
            .message
            .contains("wanted at most 1")
    );
}

#[test]
fn classes_of_any_name_count_alike() {
    let check = check(json!({ "f1": { "minimum": 0.9 } }), json!({}));
    let animals = rows((0..300_u32).map(|index| {
        let name = ["cat", "dog", "bird"][index as usize % 3];
        let said = if name == "bird" { "dog" } else { name };
        (json!(name), json!(said), json!(name))
    }));
    let measurement = measured(&check, &animals);
    assert_eq!(measurement.phase, Phase::Failed);
    let expected = (1.0 + 2.0 / 3.0 + 0.0) / 3.0;
    assert!((measurement.values["f1"] - expected).abs() < 1e-12);
}

#[test]
fn labels_that_do_not_fit_the_metric_are_said() {
    let check = check(
        json!({ "rocAuc": { "minimum": 0.9 } }),
        json!({ "positive": "never" }),
    );
    let scores = rows((0..200_u32).map(|index| (json!("x"), json!(index), json!(0))));
    let measurement = measured(&check, &scores);
    assert_eq!(measurement.phase, Phase::Inconclusive);
    assert!(measurement.message.contains("positive and negative labels"));
    assert_eq!(
        measurement.values,
        BTreeMap::from([
            ("samples".to_owned(), 200.0),
            ("unanswered".to_owned(), 0.0)
        ])
    );
}
