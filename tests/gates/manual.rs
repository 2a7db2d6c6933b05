//! Every example of docs/gates.md is read and accepted; those that the example model can answer are run.

use std::{collections::BTreeSet, path::Path};

use bluegreen::model::{
    self,
    check::{CheckSpec, CheckUse, Phase, validate_checks},
};

use crate::fixtures::{FraudModel, checks, context, run};

/// What is run here; the others need systems that are not there, and are run by the tests of their kind.
const RUN: [&str; 5] = [
    "smoke",
    "scores-as-it-should",
    "bears-the-traffic",
    "not-slower-than-live",
    "truly-identical",
];

/// The YAML blocks of the page.
fn examples() -> Vec<Vec<CheckSpec>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gates.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    blocks
        .map(|block| checks(block.split("```").next().unwrap()))
        .collect()
}

#[test]
fn every_example_is_accepted_and_every_kind_of_the_page_has_one() {
    let mut kinds = BTreeSet::new();
    for example in examples() {
        let found = validate_checks(&model::Path::default(), &example, CheckUse::Gate);
        assert_eq!(found, [], "{example:?}");
        kinds.extend(example.iter().map(|check| check.kind.as_str()));
    }
    let all = ["http", "load", "manual", "parity", "prometheus", "webhook"];
    assert_eq!(kinds, BTreeSet::from(all));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_example_model_can_answer_is_successful() {
    let (old, new) = (
        FraudModel::start("v1.2").await,
        FraudModel::start("v1.3").await,
    );
    let context = context(("v1.3", vec![new.address]), ("v1.2", vec![old.address]));
    let mut ran = BTreeSet::new();
    for example in examples() {
        let chosen: Vec<_> = example
            .into_iter()
            .filter(|check| RUN.contains(&check.name.as_str()))
            .collect();
        ran.extend(chosen.iter().map(|check| check.name.to_string()));
        let analysis = run(chosen, &context).await;
        assert_eq!(analysis.phase, Phase::Successful, "{}", analysis.message);
    }
    assert_eq!(ran, RUN.iter().map(|name| (*name).to_owned()).collect());
}
