//! A server that is not there, does not let us in, or can't start.

use std::{fs, time::Instant};

use tokio::process::Command;

use super::refused;
use crate::support::world::{BINARY, Ran, START, World};

#[tokio::test]
async fn a_server_that_is_not_there_or_not_ours_is_named() {
    let world = World::stopped();
    let admin = world.admin.to_string();
    refused(
        &world.cli(&["status"]).await,
        5,
        &[&admin, "can't be reached"],
    );
    // Its other ports are open, and speak of something else.
    world.serve(&[]).await;
    for other in [world.xds, world.http] {
        let server = format!("http://{other}");
        let ran = world.cli(&["--server", &server, "status"]).await;
        refused(&ran, 1, &[&server, "admin API"]);
        assert!(ran.stderr.contains("--admin"), "{ran:?}");
    }
    let typo = world.cli(&["--server", "https://here", "status"]).await;
    refused(&typo, 2, &["https://here"]);
}

#[tokio::test]
async fn without_the_token_nothing_is_answered() {
    let world = World::stopped();
    let path = |name: &str| world.dir.path().join(name).display().to_string();
    let (right, wrong) = (path("right"), path("wrong"));
    fs::write(&right, "0123456789abcdef\n").expect("a file");
    fs::write(&wrong, "fedcba9876543210\n").expect("a file");
    world.serve(&[("BLUEGREEN_ADMIN_TOKEN_FILE", &right)]).await;
    refused(&world.cli(&["status"]).await, 9, &["token"]);
    let command = ["status", "--token-file", &wrong];
    refused(&world.cli(&command).await, 9, &["token"]);
    world.cli(&["status", "--token-file", &right]).await.ok();
    // A file that holds none is a mistake, not the wish to go without.
    let empty = path("empty");
    fs::write(&empty, "\n").expect("a file");
    let ran = world.cli(&["status", "--token-file", &empty]).await;
    refused(&ran, 2, &["--token-file", &empty, "holds no token"]);
    let missing = path("missing");
    let ran = world.cli(&["status", "--token-file", &missing]).await;
    refused(&ran, 2, &["--token-file", &missing, "No such file"]);
}

/// Runs `serve` with these flags, and what else it needs; it must end by itself.
async fn serve(world: &World, args: &[&str]) -> Ran {
    let data = world.data().display().to_string();
    let free = "127.0.0.1:0";
    let others = [
        ("--xds", free),
        ("--admin", free),
        ("--http", free),
        ("--data-dir", &*data),
    ];
    let mut command = Command::new(BINARY);
    command.arg("serve").args(args).kill_on_drop(true);
    for (flag, value) in others {
        if !args.contains(&flag) {
            command.args([flag, value]);
        }
    }
    let started = Instant::now();
    let output = tokio::time::timeout(START, command.output()).await;
    let output = output.expect("it ends").expect("it starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        started,
        returned: Instant::now(),
    }
}

#[tokio::test]
async fn a_server_that_can_not_start_says_why_in_one_line() {
    let running = World::stopped();
    running.serve(&[]).await;
    let world = World::stopped();
    let file = world.dir.path().join("file");
    fs::write(&file, "no directory").expect("a file");
    let file = file.display().to_string();
    let below = format!("{file}/data");
    let used = running.data().display().to_string();
    let taken = running.admin.to_string();

    let cases: [(&[&str], i32, &[&str]); 12] = [
        (
            &["--data-dir", ""],
            2,
            &["--data-dir \"\"", "a directory's path"],
        ),
        (
            &["--revision-history-limit", "99999999999999999999999"],
            2,
            &["a number from 10 to"],
        ),
        (&["--data-dir", &file], 1, &[&file, "must be a directory"]),
        (&["--data-dir", &below], 1, &[&below, "must be a directory"]),
        (
            &["--data-dir", &used],
            1,
            &[&used, "in use by another process"],
        ),
        (
            &["--admin", &taken],
            1,
            &["--admin", &taken, "another address"],
        ),
        (
            &["--admin", "0.0.0.0:0"],
            2,
            &["--admin 0.0.0.0:0", "--admin-token-file"],
        ),
        (
            &["--admin-token-file", &below],
            2,
            &["--admin-token-file", &below],
        ),
        (&["--admin-token-file", &file], 2, &["at least 16"]),
        (&["--xds", "here"], 2, &["--xds \"here\"", "IP:PORT"]),
        (
            &["--forget-after", "soon"],
            2,
            &["--forget-after \"soon\"", "no duration"],
        ),
        (&["--config", &below], 2, &[&below]),
    ];
    for (args, code, says) in cases {
        let ran = serve(&world, args).await;
        assert_eq!(ran.stdout, "", "{ran:?}");
        refused(&ran, code, says);
    }
}

/// Whoever asks before a restart whether it will come up is told so, and sees where the value comes from.
#[tokio::test]
async fn settings_that_a_server_refuses_are_refused_when_they_are_printed() {
    let world = World::stopped();
    let printed = serve(&world, &["--print-config", "--forget-after", "soon"]).await;
    let line = printed.stdout.lines().find(|line| line.contains("soon"));
    assert_eq!(line, Some("forget-after = \"soon\"  # flag"));
    refused(&printed, 2, &["--forget-after \"soon\"", "no duration"]);
    serve(&world, &["--print-config"]).await.ok();
}
