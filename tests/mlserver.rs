//! A real model server: scikit-learn models in MLServer are judged by gates, and released through a real Envoy.
//! `make test-mlserver` installs what it needs and runs this.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use bluegreen::{
    gates::Context,
    model::check::{CheckSpec, Phase},
};
use serde_json::Value;

#[allow(dead_code)] // What its own tests need is not needed here.
#[path = "models/release.rs"]
mod release;

/// MLServer and the models, installed and trained if need be; the Python that has them.
fn python() -> PathBuf {
    let installed = Command::new(release::path("examples/mlserver/install"))
        .output()
        .expect("the script");
    assert!(installed.status.success(), "{installed:?}");
    let bin = String::from_utf8(installed.stdout).expect("a path");
    Path::new(bin.trim()).join("python")
}

fn demo() -> Command {
    let mut demo = Command::new(python());
    demo.arg(release::path("examples/mlserver/demo.py"))
        .args(["--bluegreen", env!("CARGO_BIN_EXE_bluegreen")]);
    demo
}

/// The gates of the example, by name.
fn gates() -> BTreeMap<String, Arc<CheckSpec>> {
    let text = std::fs::read_to_string(release::path("examples/mlserver/gates.yaml"));
    let read: Value = serde_saphyr::from_str(&text.expect("the file")).expect("YAML");
    let checks = read["validation"].as_array().expect("a list");
    let gate = |check: &Value| -> CheckSpec {
        serde_json::from_value(check.clone()).unwrap_or_else(|error| panic!("{error}: {check}"))
    };
    let gates = checks.iter().map(gate);
    gates
        .map(|gate| (gate.name.to_string(), Arc::new(gate)))
        .collect()
}

#[test]
#[ignore = "needs MLServer, which `make test-mlserver` installs (220 MB)"]
fn a_model_in_mlserver_is_released_and_rolled_back_without_a_failed_request() {
    let told = demo().output().expect("Python");
    let said = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{told:?}");
    assert!(said.contains("none failed"), "{said}");
}

#[tokio::test]
#[ignore = "needs MLServer, which `make test-mlserver` installs (220 MB)"]
async fn the_gates_let_the_better_model_through_and_not_the_worse_one() {
    let mut servers = demo()
        .arg("--models")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    let mut lines = BufReader::new(servers.stdout.take().expect("a pipe")).lines();
    let line = lines.next().expect("a line").expect("text");
    let ports: BTreeMap<String, u16> = serde_json::from_str(&line).expect("ports");
    let address = |version: &str| SocketAddr::from((Ipv4Addr::LOCALHOST, ports[version]));
    let context = |candidate: &str, baseline: &str| {
        let mut context: Context = release::release(address(candidate), address(baseline));
        let target = Arc::make_mut(&mut context.target);
        target.candidate.version = candidate.to_owned();
        if let Some(live) = &mut target.baseline {
            live.version = baseline.to_owned();
        }
        context.files = Some(Arc::new(release::path("target/mlserver/models")));
        context
    };
    let gates = gates();
    let (better, worse) = (context("v1.3", "v1.2"), context("v1.2", "v1.3"));
    for name in ["ready", "quality"] {
        let measured = release::measure(&gates[name], &better).await;
        assert_eq!(measured.phase, Phase::Successful, "{name}: {measured:?}");
    }
    let measured = release::measure(&gates["quality"], &worse).await;
    assert_eq!(measured.phase, Phase::Failed, "{measured:?}");
    drop(servers.stdin.take());
    assert!(servers.wait().expect("an end").success());
}
