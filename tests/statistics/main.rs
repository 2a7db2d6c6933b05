//! Our statistics against those of SciPy, scikit-learn and NumPy, on random data.

use std::{path::Path, process::Command, sync::OnceLock};

use bluegreen::gates::stats::{
    Classes, Errors, Proportion, Ranking, Resampling, bootstrap, chi_square, cosine, difference,
    kolmogorov_smirnov, not_worse, psi_of_numbers, quantile, rouge_l, wilson,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Both sides compute with 64 bits by different formulas: that far they may be apart, relative to the value.
const SAME: f64 = 1e-9;

/// The cases of one kind, from reference.py.
fn cases(kind: &str) -> &'static [Value] {
    static REFERENCE: OnceLock<Value> = OnceLock::new();
    let reference = REFERENCE.get_or_init(|| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let packages = output(Command::new(tests.join("python/get-packages")).arg("statistics"));
        let json = output(
            Command::new("python3")
                .arg(tests.join("statistics/reference.py"))
                .env("PYTHONPATH", String::from_utf8(packages).unwrap().trim()),
        );
        serde_json::from_slice(&json).unwrap()
    });
    let cases = reference[kind].as_array().unwrap();
    assert!(!cases.is_empty(), "{kind}");
    cases
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output.stdout
}

fn get<T: DeserializeOwned>(case: &Value, key: &str) -> T {
    T::deserialize(&case[key]).unwrap_or_else(|error| panic!("{key}: {error}"))
}

fn same(ours: Option<f64>, case: &Value, key: &str, tolerance: f64) {
    let theirs: f64 = get(case, key);
    let ours = ours.unwrap_or_else(|| panic!("no {key}, theirs {theirs}"));
    assert!(
        (ours - theirs).abs() <= tolerance * theirs.abs().max(1e-3),
        "{key}: ours {ours}, theirs {theirs}, of {case}"
    );
}

#[test]
fn accuracy_precision_recall_and_f1() {
    for case in cases("classes") {
        let truth: Vec<usize> = get(case, "truth");
        let predicted: Vec<usize> = get(case, "predicted");
        let once = vec![1; truth.len()];
        let classes = Classes::new(truth.into_iter().zip(predicted), get(case, "positive"));
        same(classes.accuracy(&once), case, "accuracy", SAME);
        same(classes.precision(&once), case, "precision", SAME);
        same(classes.recall(&once), case, "recall", SAME);
        same(classes.f1(&once), case, "f1", SAME);
    }
}

#[test]
fn roc_auc_with_ties() {
    for case in cases("ranking") {
        let truth: Vec<bool> = get(case, "truth");
        let scores: Vec<f64> = get(case, "scores");
        let once = vec![1; truth.len()];
        let ranking = Ranking::new(scores.into_iter().zip(truth)).unwrap();
        same(ranking.auc(&once), case, "auc", SAME);
    }
}

#[test]
fn mean_errors() {
    for case in cases("errors") {
        let truth: Vec<f64> = get(case, "truth");
        let predicted: Vec<f64> = get(case, "predicted");
        let once = vec![1; truth.len()];
        let errors = Errors::new(truth.into_iter().zip(predicted));
        same(errors.mae(&once), case, "mae", SAME);
        same(errors.rmse(&once), case, "rmse", SAME);
    }
}

#[test]
fn quantiles() {
    for case in cases("quantiles") {
        let sorted: Vec<f64> = get(case, "sorted");
        same(
            quantile(&sorted, get(case, "share")),
            case,
            "quantile",
            SAME,
        );
    }
}

fn proportion(case: &Value, key: &str) -> Proportion {
    let [successes, samples] = get(case, key);
    Proportion { successes, samples }
}

#[test]
fn intervals_and_tests_of_proportions() {
    for case in cases("proportions") {
        let (one, other) = (proportion(case, "one"), proportion(case, "other"));
        let confidence = get(case, "confidence");
        let of_one = wilson(one, confidence).unwrap();
        let between = difference(one, other, confidence).unwrap();
        for (key, ours) in [("wilson", of_one), ("difference", between)] {
            let [low, high]: [f64; 2] = get(case, key);
            let theirs = serde_json::json!({ "low": low, "high": high });
            same(Some(ours.low), &theirs, "low", SAME);
            same(Some(ours.high), &theirs, "high", SAME);
        }
        same(not_worse(one, other, 0.0), case, "p_without", 1e-8);
        // Theirs comes from a numerical search for the likeliest shares.
        let margin = get(case, "margin");
        same(not_worse(one, other, margin), case, "p_with_margin", 1e-4);
    }
}

#[test]
fn fishers_exact_test_of_rare_failures() {
    for case in cases("rare") {
        let (one, other) = (proportion(case, "one"), proportion(case, "other"));
        same(not_worse(one, other, 0.0), case, "p", 1e-8);
    }
}

#[test]
fn kolmogorov_smirnov_exact_and_limiting() {
    for case in cases("kolmogorov") {
        let one: Vec<f64> = get(case, "one");
        let other: Vec<f64> = get(case, "other");
        let ours = kolmogorov_smirnov(&one, &other).unwrap();
        same(Some(ours.statistic), case, "statistic", SAME);
        same(Some(ours.p_value), case, "p", 1e-7);
    }
}

#[test]
fn chi_square_of_homogeneity() {
    for case in cases("categories") {
        let one: Vec<u64> = get(case, "one");
        let other: Vec<u64> = get(case, "other");
        let counts: Vec<_> = one.into_iter().zip(other).collect();
        let ours = chi_square(&counts).unwrap();
        same(Some(ours.statistic), case, "statistic", SAME);
        same(Some(ours.p_value), case, "p", SAME);
    }
}

#[test]
fn population_stability_index() {
    for case in cases("psi") {
        let reference: Vec<f64> = get(case, "reference");
        let current: Vec<f64> = get(case, "current");
        let ours = psi_of_numbers(&reference, &current, get(case, "bins"));
        same(ours, case, "psi", SAME);
    }
}

#[test]
fn bootstrap_of_a_paired_difference() {
    for case in cases("resampled") {
        let staged: Vec<bool> = get(case, "staged");
        let live: Vec<bool> = get(case, "live");
        let of =
            |right: &[bool]| Classes::new(right.iter().map(|right| (0, usize::from(!right))), None);
        let (staged_of, live_of) = (of(&staged), of(&live));
        let resampling = Resampling {
            resamples: 20_000,
            seed: 1,
            confidence: 0.95,
        };
        let ours = bootstrap(
            staged.len(),
            resampling,
            || true,
            |drawn| Some(staged_of.accuracy(drawn)? - live_of.accuracy(drawn)?),
        )
        .unwrap();
        let [low, high]: [f64; 2] = get(case, "interval");
        // Both are drawn: of 20,000 resamples the ends lie within some hundredths of the width.
        let width = high - low;
        assert!(
            (ours.low - low).abs() < 0.1 * width && (ours.high - high).abs() < 0.1 * width,
            "ours {ours:?}, theirs {low} {high}"
        );
    }
}

#[test]
fn rouge_l_and_cosine() {
    for case in cases("alike") {
        let one: String = get(case, "one");
        let other: String = get(case, "other");
        same(Some(rouge_l(&one, &other)), case, "rouge_l", SAME);
        let [first, second]: [Vec<f64>; 2] = get(case, "vectors");
        same(cosine(&first, &second), case, "cosine", 1e-7);
    }
}
