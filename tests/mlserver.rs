//! A real model server: scikit-learn models in MLServer are released by gates, through a real Envoy.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A path in the repository.
fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// MLServer and the models, installed and trained if need be; the Python that has them.
fn python() -> PathBuf {
    let installed = Command::new(path("examples/mlserver/install"))
        .output()
        .expect("the script");
    assert!(installed.status.success(), "{installed:?}");
    let bin = String::from_utf8(installed.stdout).expect("a path");
    Path::new(bin.trim()).join("python")
}

/// The demo holds each step against what must come of it, and ends with an error else. Here it is held to having made them.
#[test]
fn gates_release_the_better_model_in_mlserver_and_refuse_the_worse_one() {
    let told = Command::new(python())
        .arg(path("examples/mlserver/demo.py"))
        .args(["--bluegreen", env!("CARGO_BIN_EXE_bluegreen")])
        .output()
        .expect("Python");
    let said = String::from_utf8_lossy(&told.stdout);
    assert!(
        told.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&told.stderr)
    );
    for wanted in [
        "ready (http): Successful",
        "quality (evaluate): Successful",
        "bears-the-traffic (load): Successful",
        "quality (evaluate): Failed",
        "requests, none failed",
    ] {
        assert!(said.contains(wanted), "{wanted:?} is not in {said}");
    }
}
