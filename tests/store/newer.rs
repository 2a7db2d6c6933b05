//! A store that a newer version has written, without a new format: what this one can't read is whole, and must be neither called
//! damaged nor given up.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bluegreen::{
    model::{Colour::Blue, Revision},
    snapshot::Digest,
    store::{CommitKind, SledOptions, SledStore, Store, StoreError},
};

use crate::fixture::{World, name, sight};

async fn open(dir: &Path, accept_older: bool) -> Result<SledStore, StoreError> {
    let options = SledOptions {
        accept_older,
        ..SledOptions::default()
    };
    SledStore::open(dir, options).await
}

/// Puts another text into a revision's record, with the digest that belongs to it; returns what was there. sled's own threads may
/// hold its lock a little longer than the store that was closed, and nothing tells when they are gone.
fn rewrite(dir: &Path, fleet: &str, revision: u64, change: impl Fn(String) -> String) -> Vec<u8> {
    let since = Instant::now();
    let db = loop {
        match sled::open(dir.join("db")) {
            Ok(db) => break db,
            Err(error) if since.elapsed() > Duration::from_secs(10) => panic!("{error}"),
            Err(_) => std::thread::yield_now(),
        }
    };
    let records = db.open_tree("records").unwrap();
    let key = [fleet.as_bytes(), &[0], &revision.to_be_bytes()].concat();
    // The first piece of the value, and the only one.
    let at = [key.as_slice(), &[0, 0]].concat();
    let before = records.get(&at).unwrap().unwrap().to_vec();
    let json = change(String::from_utf8(before[32..].to_vec()).unwrap()).into_bytes();
    let digest = Digest::of(&[b"records", &key, &json]);
    records
        .insert(&at, [digest.as_bytes().as_slice(), &json].concat())
        .unwrap();
    db.flush().unwrap();
    before
}

async fn is_refused(dir: &Path, accept_older: bool) {
    let Err(error) = open(dir, accept_older).await else {
        panic!("what can't be read was served, or given up");
    };
    let text = error.to_string();
    assert!(matches!(error, StoreError::Unfamiliar { .. }), "{text}");
    assert!(text.contains("newer"), "{text}");
    assert!(
        text.contains("teleport") && !text.contains('\n') && !text.contains("damaged"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_version_wrote_is_neither_damage_nor_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = open(dir, false).await.unwrap();
    // Another fleet, sorted before: nothing of it may change either.
    let mut other = World::new("edge");
    let first = store
        .commit(other.put(&[("k", Blue)], CommitKind::Change))
        .await
        .unwrap();
    let mut world = World::new("payments");
    store
        .commit(world.put(&[("a", Blue)], CommitKind::Change))
        .await
        .unwrap();
    let head = store
        .commit(world.put(&[("b", Blue)], CommitKind::Change))
        .await
        .unwrap();
    store.close().await.unwrap();

    let newer = |json: String| json.replace("\"kind\":\"change\"", "\"kind\":\"teleport\"");
    let written = rewrite(dir, "payments", 2, newer);
    is_refused(dir, false).await;
    is_refused(dir, true).await;
    // Where HEAD is gone as well, `--accept-older` looks for the newest revision that is whole: this one is.
    let answers = std::fs::read(dir.join("HEAD")).unwrap();
    std::fs::remove_file(dir.join("HEAD")).unwrap();
    is_refused(dir, true).await;
    std::fs::write(dir.join("HEAD"), answers).unwrap();

    // The newer version finds all as it left it.
    let json = String::from_utf8(written[32..].to_vec()).unwrap();
    rewrite(dir, "payments", 2, |_| json.clone());
    let store = open(dir, false).await.unwrap();
    for (fleet, head) in [("edge", first), ("payments", head)] {
        let found = store.watch_head(&name(fleet)).borrow().clone().unwrap();
        assert_eq!(sight(&found), sight(&head));
    }
    assert_eq!(
        store
            .watch_head(&name("payments"))
            .borrow()
            .as_ref()
            .unwrap()
            .meta
            .revision,
        Revision(2)
    );
}
