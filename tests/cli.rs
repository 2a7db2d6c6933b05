//! The command line as a user sees it: golden scripts in `tests/cli/`, each command with all it prints and its exit
//! code. The server is a scripted one here: it answers by the name it is asked for (`tests/cli/fake`).
//!
//! `TRYCMD=overwrite cargo test --test cli` writes what the commands print now into the scripts.

#[path = "cli/fake/mod.rs"]
mod fake;

use fake::Fake;

fn cases(folder: &str, server: &str) {
    trycmd::TestCases::new()
        .env("BLUEGREEN_SERVER", server)
        .env("BLUEGREEN_TOKEN", "")
        .env("NO_COLOR", "")
        .env("USER", "ada")
        .case(format!("tests/cli/{folder}/*.trycmd"))
        .case(format!("tests/cli/{folder}/*.toml"))
        .run();
}

#[test]
fn what_needs_no_server() {
    // Port 1 is nobody's: connecting to it is refused at once.
    cases("alone", "http://127.0.0.1:1");
}

#[test]
fn every_answer_of_a_server() {
    let fake = Fake::start();
    cases("answers", &fake.url());
}

#[test]
fn a_command_whose_connection_is_cut_is_repeated_with_its_operation_id() {
    let fake = Fake::start();
    cases("cut", &fake.url());
    let ids = fake.operation_ids("cut");
    assert_eq!(
        ids.len(),
        3,
        "sent once, and again after each of two cuts: {ids:?}"
    );
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(uuid::Uuid::parse_str(&ids[0]).is_ok(), "{ids:?}");
}

#[test]
fn who_and_why_go_with_every_command() {
    let fake = Fake::start();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_bluegreen"))
            .args(arguments)
            .env("BLUEGREEN_SERVER", fake.url())
            .env("USER", "ada")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["switch", "fraud-model", "-m", "because"]);
    run(&["-m", "because", "rollback", "fraud-model"]);
    let metas = fake.metas("fraud-model");
    assert_eq!(metas.len(), 2);
    for meta in &metas {
        assert!(meta.actor.starts_with("ada@"), "{meta:?}");
        assert_eq!(meta.message, "because");
    }
    assert_ne!(metas[0].operation_id, metas[1].operation_id);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let fake = Fake::start();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_bluegreen"))
        .args(["show", "huge"])
        .env("BLUEGREEN_SERVER", fake.url())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody reads: the answer is larger than a pipe holds, so writing it fails.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
