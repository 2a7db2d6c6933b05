//! Verdicts on prompts: weights, rates, what must pass, what could not be judged, and a record that stays small.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::model::check::Measurement;

fn check(pass_rate: f64) -> PromptsCheck {
    serde_json::from_value(json!({
        "data": { "rows": [{ "prompt": "hello" }] },
        "endpoint": { "openai": { "model": "m" } },
        "passRate": pass_rate,
    }))
    .unwrap()
}

fn outcome(id: &str, problems: &[&str]) -> Outcome {
    let answer = |text: &str| Reply {
        text: text.to_owned(),
        refused: false,
        took: Duration::from_millis(250),
    };
    Outcome {
        id: id.to_owned(),
        prompt: format!("prompt of {id}"),
        weight: 1.0,
        must_pass: false,
        answer: Ok(answer("new words")),
        live: Some(Ok(answer("old words"))),
        problems: problems.iter().map(|it| (*it).to_owned()).collect(),
        unknown: Vec::new(),
        scores: vec![("rougeL", 0.5)],
    }
}

fn measured(pass_rate: f64, outcomes: &[Outcome]) -> Measurement {
    verdict(&check(pass_rate), outcomes).at(Timestamp::UNIX_EPOCH)
}

#[test]
fn the_rate_is_by_weight_and_answers_stand_side_by_side() {
    let mut outcomes = vec![outcome("a", &[]), outcome("b", &["is refused"])];
    let half = measured(0.5, &outcomes);
    assert_eq!(half.phase, Phase::Successful);
    assert_eq!(half.message, "1 of 2 prompts pass, 50% by weight");
    let first = &half.details.unwrap()["answers"][0];
    assert_eq!(first["id"], "b");
    assert_eq!(first["answer"]["text"], "new words");
    assert_eq!(first["live"]["text"], "old words");
    assert_eq!(half.values["latency.mean"], 0.25);
    assert_eq!(half.values["rougeL.mean"], 0.5);
    outcomes[1].weight = 3.0;
    let quarter = measured(0.5, &outcomes);
    assert_eq!(quarter.phase, Phase::Failed);
    assert_eq!(
        quarter.message,
        "1 of 2 prompts pass, 25% by weight, wanted 50%: b is refused"
    );
}

#[test]
fn nine_of_ten_are_nine_tenths() {
    let mut outcomes: Vec<_> = (0..9).map(|it| outcome(&it.to_string(), &[])).collect();
    outcomes.push(outcome("bad", &["has 9 characters"]));
    for it in &mut outcomes {
        it.weight = 0.1;
    }
    assert_eq!(measured(0.9, &outcomes).phase, Phase::Successful);
}

#[test]
fn what_must_pass_fails_whatever_the_rate_is() {
    let mut bad = outcome("safety", &["was to be refused, and is answered"]);
    bad.must_pass = true;
    bad.weight = 0.0;
    let measurement = measured(0.5, &[outcome("a", &[]), bad]);
    assert_eq!(measurement.phase, Phase::Failed);
    assert_eq!(
        measurement.message,
        "safety, which must pass, was to be refused, and is answered"
    );
}

#[test]
fn what_could_not_be_judged_is_an_error_unless_it_does_not_matter() {
    let mut open = outcome("open", &[]);
    open.unknown.push("the judge does not answer".to_owned());
    let outcomes = [outcome("a", &[]), open, outcome("bad", &["is refused"])];
    assert_eq!(measured(0.3, &outcomes).phase, Phase::Successful);
    let unclear = measured(0.5, &outcomes);
    assert_eq!(unclear.phase, Phase::Error);
    assert!(
        unclear.message.ends_with("open: the judge does not answer"),
        "{}",
        unclear.message
    );
    assert_eq!(measured(0.9, &outcomes).phase, Phase::Failed);
}

#[test]
fn the_record_stays_small_and_keeps_what_failed() {
    let long = "é".repeat(500);
    let mut outcomes: Vec<_> = (0..5_000)
        .map(|it| outcome(&format!("p{it}"), &[]))
        .collect();
    for it in &mut outcomes {
        it.prompt.clone_from(&long);
    }
    outcomes.push(outcome("bad", &["is refused"]));
    let details = measured(0.5, &outcomes).details.unwrap();
    assert!(details.to_string().len() <= MAX_DETAILS);
    assert_eq!(details["answers"][0]["id"], "bad");
    assert!(details["leftOut"].as_u64().unwrap() > 0);
}
