//! Verdicts on samples: the same, moved, of one value, odd, too few.

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::model::check::Measurement;

fn check(fields: Value) -> DriftCheck {
    serde_json::from_value(json!({ "samples": { "path": "/samples" }, "fields": fields })).unwrap()
}

/// So many samples, with scores spread evenly over 0 to 1, moved by `shift`, and every `rare`th declined.
fn samples(count: u32, shift: f64, rare: u32) -> Vec<Value> {
    (0..count)
        .map(|index| {
            let decision = if index % rare == 0 {
                "decline"
            } else {
                "approve"
            };
            // 7919 is prime: the order of the scores has nothing to do with that of the decisions.
            let score = f64::from(index * 7919 % count) / f64::from(count);
            json!({ "score": score + shift, "answer": { "decision": decision } })
        })
        .collect()
}

fn judged(check: &DriftCheck, candidate: &[Value], baseline: &[Value]) -> Measurement {
    judge(check, candidate, baseline).at(Timestamp::UNIX_EPOCH)
}

#[test]
fn numbers_that_did_not_move_and_numbers_that_did() {
    let check = check(json!({ "score": { "number": { "ks": { "pValue": 0.01 }, "psi": 0.2 } } }));
    let live = samples(1000, 0.0, 10);
    let same = judged(&check, &samples(900, 0.0, 10), &live);
    assert_eq!(same.phase, Phase::Successful, "{same:?}");
    let moved = judged(&check, &samples(900, 0.3, 10), &live);
    assert_eq!(moved.phase, Phase::Failed);
    assert!(moved.values["score.psi"] > 0.2 && moved.values["score.ks.pValue"] < 1e-9);
    assert!(
        moved
            .message
            .starts_with("Kolmogorov-Smirnov distance of score is 0.3")
            && moved.message.contains("PSI of score is"),
        "{}",
        moved.message
    );
}

#[test]
fn categories_that_are_all_rare_are_not_alike_for_it() {
    let check = check(json!({ "id": { "category": { "chiSquare": { "pValue": 0.001 } } } }));
    let ids = |of: &str| Vec::from_iter((0..300).map(|n| json!({ "id": format!("{of}-{n}") })));
    let strange = judged(&check, &ids("new"), &ids("old"));
    assert_eq!(strange.phase, Phase::Inconclusive, "{strange:?}");
    assert!(strange.message.contains("600 values"), "{strange:?}");
    let one = vec![json!({ "id": "only" }); 300];
    assert_eq!(judged(&check, &one, &one).phase, Phase::Successful);
}

#[test]
fn numbers_as_far_apart_as_numbers_can_be_have_bins_too() {
    let check = check(json!({ "v": { "number": { "psi": 0.2 } } }));
    let far =
        Vec::from_iter((0..300).map(|n| json!({ "v": if n % 2 == 0 { 1e308 } else { -1e308 } })));
    let moved = judged(&check, &vec![json!({ "v": -1e308 }); 300], &far);
    assert_eq!(moved.phase, Phase::Failed, "{moved:?}");
    assert_eq!(judged(&check, &far, &far).phase, Phase::Successful);
}

#[test]
fn a_difference_that_is_significant_and_small_passes_with_a_distance() {
    let with = |ks: Value| check(json!({ "score": { "number": { "ks": ks } } }));
    let (candidate, live) = (samples(20_000, 0.02, 10), samples(20_000, 0.0, 10));
    let strict = judged(&with(json!({ "pValue": 0.01 })), &candidate, &live);
    assert_eq!(strict.phase, Phase::Failed, "{strict:?}");
    let sober = with(json!({ "pValue": 0.01, "statistic": 0.1 }));
    assert_eq!(judged(&sober, &candidate, &live).phase, Phase::Successful);
}

#[test]
fn categories_by_path() {
    let check = check(json!({ "decision": { "category": {
        "path": "$.answer.decision", "chiSquare": { "pValue": 0.01 }, "psi": 0.1,
    } } }));
    let live = samples(1000, 0.0, 10);
    assert_eq!(
        judged(&check, &samples(800, 0.5, 10), &live).phase,
        Phase::Successful
    );
    let moved = judged(&check, &samples(800, 0.0, 3), &live);
    assert_eq!(moved.phase, Phase::Failed);
    assert!(
        moved.message.contains("chi-square of decision"),
        "{}",
        moved.message
    );
    let one = samples(800, 0.0, 1);
    assert_eq!(judged(&check, &one, &one).phase, Phase::Successful);
}

#[test]
fn too_few_or_none_at_all_say_nothing() {
    let check = check(json!({ "score": { "number": { "psi": 0.2 } } }));
    let few = judged(&check, &samples(199, 0.0, 10), &samples(1000, 0.0, 10));
    assert_eq!(few.phase, Phase::Inconclusive);
    assert_eq!(
        few.message,
        "too few samples: 199 with a number in score, 1000 of live, 200 wanted"
    );
    let other = vec![json!({ "Score": 1 }); 500];
    let renamed = judged(&check, &other, &samples(1000, 0.0, 10));
    assert!(
        renamed.message.contains("0 with a number in score"),
        "{}",
        renamed.message
    );
}
