//! The process is killed between any two steps of a commit: what was answered for is there afterwards.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use bluegreen::{
    model::{
        Colour::{Blue, Green},
        Revision,
    },
    store::{CommitKind, SledOptions, SledStore, Store},
};

use crate::fixture::{World, name, sight};

const DIR: &str = "BLUEGREEN_TEST_STORE";

fn options() -> SledOptions {
    // Small, so that revisions are dropped and swept meanwhile.
    SledOptions {
        history_limit: 12,
        accept_older: false,
    }
}

fn next(world: &mut World) -> bluegreen::store::Commit {
    let live = if world.revision.0.is_multiple_of(2) {
        Blue
    } else {
        Green
    };
    let service = ["a", "b", "c"][(world.revision.0 % 3) as usize];
    world.put(&[(service, live)], CommitKind::Endpoints)
}

/// Not a test: what the tests below start as a process of its own. Commits until it is killed, and says what was
/// answered.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other tests of this file run it"]
async fn child() {
    let Ok(dir) = env::var(DIR) else {
        return;
    };
    let store = SledStore::open(dir, options()).await.unwrap();
    let head = store.watch_head(&name("payments")).borrow().clone();
    let mut world = head.map_or_else(|| World::new("payments"), |head| World::of(&head));
    loop {
        let head = store.commit(next(&mut world)).await.unwrap();
        println!("answered {}", head.meta.revision);
    }
}

/// Runs the child, kills it after `answers` (or waits for it to end by itself), and gives the last revision answered.
fn run(dir: &Path, answers: usize, point: Option<(&str, usize)>) -> u64 {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some((point, skip)) = point {
        command
            .env("BLUEGREEN_FAULT_POINT", point)
            .env("BLUEGREEN_FAULT_SKIP", skip.to_string());
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0;
    let mut seen = 0;
    for line in lines.map_while(Result::ok) {
        if let Some((_, revision)) = line.split_once("answered ") {
            last = revision.parse().unwrap();
            seen += 1;
            if seen == answers {
                // SIGKILL, on Unix. What it prints until it is dead counts too.
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success(), "it was killed");
    last
}

/// The revision answered last, or one more; and it is what it should be.
async fn check(dir: &Path, answered: u64, what: &str) -> u64 {
    let store = SledStore::open(dir, options()).await;
    let store = store.unwrap_or_else(|error| panic!("{what}: {error}"));
    let fleet = name("payments");
    let Some(head) = store.watch_head(&fleet).borrow().clone() else {
        assert_eq!(answered, 0, "{what}");
        return 0;
    };
    let found = head.meta.revision.0;
    assert!(
        found == answered || found == answered + 1,
        "{what}: {answered} was answered, {found} is there"
    );
    let mut expected = World::new("payments");
    while expected.revision < head.meta.revision {
        next(&mut expected);
    }
    let expected = expected.snapshot.types();
    let found_sets = head.snapshot.types();
    assert!(
        expected
            .map(|set| (set.type_url, set.version()))
            .eq(found_sets.map(|set| (set.type_url, set.version()))),
        "{what}: revision {found} has other content"
    );
    for meta in store.history(&fleet, None, 100).await.unwrap() {
        let stored = store.revision(&fleet, meta.revision).await;
        let stored = stored.unwrap_or_else(|error| panic!("{what}: {error}"));
        // None: dropped between the two questions.
        if let Some(stored) = stored {
            assert_eq!(stored.meta, meta, "{what}");
        }
    }
    let stored = store.revision(&fleet, Revision(found)).await.unwrap();
    assert_eq!(sight(&stored.unwrap()), sight(&head), "{what}");
    store.close().await.unwrap();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_from_outside_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let answered = run(dir.path(), 3 + round * 5 % 17, None);
        check(dir.path(), answered, &format!("round {round}")).await;
    }
}

#[cfg(feature = "fault-points")]
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps() {
    let points = [
        ("store-before-write", 0),
        ("store-before-flush", 0),
        ("store-after-flush", 1),
        ("store-before-rename", 1),
        ("store-after-rename", 1),
        ("store-after-head", 1),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut before = 0;
    for (point, durable) in points {
        for skip in [0, 1, 7] {
            let what = format!("{point}, after {skip}");
            let answered = run(dir.path(), usize::MAX, Some((point, skip))).max(before);
            let found = check(dir.path(), answered, &what).await;
            if durable == 1 {
                assert_eq!(found, answered + 1, "{what}: it was flushed");
            }
            before = found;
        }
    }
}
