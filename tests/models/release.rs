//! What the tests share: a release without a server around it, and the checks that a page of the manual shows.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use bluegreen::{
    gates::{Context, Side, Target, client::Client, measuring},
    model::{
        Colour, Path, Protocol,
        check::{CheckSpec, CheckUse, Measurement, validate_checks},
    },
    telemetry::Telemetry,
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

/// A path in the repository.
pub fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A release of v2 (green) over v1 (blue), with the examples as folder of check data.
pub fn release(candidate: SocketAddr, baseline: SocketAddr) -> Context {
    let side = |colour: Colour, version: &str, endpoint| Side {
        colour,
        version: version.to_owned(),
        cluster: format!("model/{colour}"),
        endpoints: vec![endpoint],
        settings: None,
        since: None,
    };
    Context {
        target: Arc::new(Target {
            fleet: "payments".parse().unwrap(),
            service: "model".parse().unwrap(),
            protocol: Protocol::Http1,
            host: None,
            candidate: side(Colour::Green, "v2", candidate),
            baseline: Some(side(Colour::Blue, "v1", baseline)),
            proxies: Vec::new(),
            astray: Vec::new(),
            step: None,
            preview: None,
        }),
        client: Client::new().unwrap(),
        telemetry: Arc::new(Telemetry::new(Timestamp::now, || {})),
        decisions: watch::channel(Vec::new()).1,
        files: Some(Arc::new(path("examples"))),
        clock: Arc::new(Timestamp::now),
    }
}

/// Every check that a page shows, under `validation` or `monitors` in a block of YAML; `change` replaces text of the page,
/// such as an address.
fn all(page: &str, change: &[(&str, &str)]) -> Vec<(CheckUse, CheckSpec)> {
    let mut text = std::fs::read_to_string(path(page)).unwrap();
    for (from, to) in change {
        assert!(text.contains(from), "{page} does not show {from}");
        text = text.replace(from, to);
    }
    let mut found = Vec::new();
    for block in text.split("```yaml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let read: Value = serde_saphyr::from_str(block)
            .unwrap_or_else(|error| panic!("{page}: {error}\n{block}"));
        for (key, used) in [
            ("validation", CheckUse::Gate),
            ("monitors", CheckUse::Monitor),
        ] {
            for check in read[key].as_array().into_iter().flatten() {
                let spec = serde_json::from_value(check.clone())
                    .unwrap_or_else(|error| panic!("{page}: {error}\n{check}"));
                found.push((used, spec));
            }
        }
    }
    found
}

/// The check of this name that a page shows.
pub fn shown(page: &str, name: &str, change: &[(&str, &str)]) -> Arc<CheckSpec> {
    let mut checks = all(page, change).into_iter().map(|(_, check)| check);
    let found = checks.find(|check| check.name.as_str() == name);
    Arc::new(found.unwrap_or_else(|| panic!("{page} shows no check {name}")))
}

#[test]
fn every_check_that_is_shown_is_accepted() {
    for (page, least) in [("docs/checks.md", 4), ("docs/release-an-llm.md", 6)] {
        let checks = all(page, &[]);
        assert!(
            checks.len() >= least,
            "{page} shows {} checks",
            checks.len()
        );
        for (used, mut check) in checks {
            // Each is validated alone: the one before it stands in the same block.
            check.after = None;
            let problems = validate_checks(&Path::default(), std::slice::from_ref(&check), used);
            assert!(problems.is_empty(), "{page}: {}: {problems:?}", check.name);
        }
    }
}

/// One measurement.
pub async fn measure(check: &Arc<CheckSpec>, context: &Context) -> Measurement {
    measuring(check).measure(context).await
}
