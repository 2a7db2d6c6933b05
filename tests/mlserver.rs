//! A real model server: scikit-learn models in MLServer are released through a real Envoy. `make test-mlserver` installs
//! what it needs and runs this.

use std::{path::Path, process::Command};

#[test]
#[ignore = "needs MLServer, which `make test-mlserver` installs (220 MB)"]
fn a_model_in_mlserver_is_released_and_rolled_back_without_a_failed_request() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = Command::new(root.join("examples/mlserver/install"))
        .output()
        .expect("the script");
    assert!(installed.status.success(), "{installed:?}");
    let bin = String::from_utf8(installed.stdout).expect("a path");
    let demo = Command::new(Path::new(bin.trim()).join("python"))
        .arg(root.join("examples/mlserver/demo.py"))
        .args(["--bluegreen", env!("CARGO_BIN_EXE_bluegreen")])
        .output()
        .expect("Python");
    let said = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{demo:?}");
    assert!(said.contains("none failed"), "{said}");
}
