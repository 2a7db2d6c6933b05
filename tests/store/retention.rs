//! Old revisions go, what is needed stays, and content that nothing refers to is swept.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use bluegreen::{
    model::{
        Colour::{Blue, Green},
        Revision, TypeUrl,
    },
    release::{Phase, Release},
    store::{CommitKind, SledOptions, SledStore, Store},
};
use jiff::Timestamp;

use crate::fixture::{World, name, resource, sight};

const LIMIT: usize = 20;

async fn open(dir: &Path) -> SledStore {
    let options = SledOptions {
        history_limit: LIMIT,
        accept_older: false,
    };
    SledStore::open(dir, options).await.unwrap()
}

/// What is on the disk. sled's own threads may hold its lock a little longer than the store that was closed, and nothing tells
/// when they are gone.
fn raw(dir: &Path) -> sled::Db {
    let since = Instant::now();
    loop {
        match sled::open(dir) {
            Ok(db) => return db,
            Err(error) if since.elapsed() > Duration::from_secs(10) => panic!("{error}"),
            Err(_) => std::thread::yield_now(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_stays_whole_and_the_rest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let mut world = World::new("payments");
    let mut expected = BTreeMap::new();
    // A release that was switched long ago and can still go back: revision 2, and 1 before it.
    let all = [("a", Blue), ("b", Blue), ("c", Blue)];
    let mut commits = vec![world.put(&all, CommitKind::Change)];
    let mut a = crate::fixture::service("a", Green);
    a.release = Some(Release {
        number: 1,
        phase: Phase::Switched,
        from: Blue,
        from_deployment: 1,
        from_version: "v1.1".to_owned(),
        to_deployment: 2,
        to_version: "v1.2".to_owned(),
        switched_in: Revision(2),
        switched_at: Timestamp::UNIX_EPOCH,
        rolled_back_in: None,
    });
    world.state.services.insert(name("a"), a.into());
    let sets = world.sets();
    commits.push(world.commit(sets, vec![name("a")], CommitKind::Change));
    for round in 0..100u32 {
        let mut sets = world.sets();
        let endpoints = sets.entry(TypeUrl::ClusterLoadAssignment).or_default();
        let content = format!("10.0.0.1:{round}");
        let changed = resource(TypeUrl::ClusterLoadAssignment, "b/blue", &content);
        endpoints.insert("b/blue".into(), changed);
        let kind = if round % 10 == 9 {
            CommitKind::Switch
        } else {
            CommitKind::Endpoints
        };
        commits.push(world.commit(sets, vec![name("b")], kind));
    }
    let last = commits.len() as u64;
    for commit in commits {
        let head = store.commit(commit).await.unwrap();
        expected.insert(head.meta.revision, sight(&head));
    }
    store.tidy().await.unwrap();

    let kept = store.history(&world.fleet, None, 1_000).await.unwrap();
    let kept: Vec<Revision> = kept.iter().map(|meta| meta.revision).collect();
    assert!(kept.len() <= LIMIT + LIMIT / 10, "{kept:?}");
    for needed in [1, 2, last] {
        assert!(kept.contains(&Revision(needed)), "{needed} of {kept:?}");
    }
    // The ten switches: every tenth of the rounds.
    for switch in (0..10).map(|ten| Revision(12 + 10 * ten)) {
        assert!(kept.contains(&switch), "{switch} of {kept:?}");
    }
    store.close().await.unwrap();
    drop(store);

    let store = open(dir.path()).await;
    for revision in &kept {
        let stored = store.revision(&world.fleet, *revision).await.unwrap();
        assert_eq!(Some(&sight(&stored.unwrap())), expected.get(revision));
    }
    let gone = store.revision(&world.fleet, Revision(5)).await.unwrap();
    assert!(gone.is_none());
    let operation = store.operation(&world.fleet, "op-payments-5").await;
    assert_eq!(operation.unwrap(), None);
    store.close().await.unwrap();
    drop(store);

    // 18 resources, 4 states, and one more load assignment per kept revision at most.
    let db = raw(&dir.path().join("db"));
    let blobs = db.open_tree("blobs").unwrap().len();
    assert!(
        blobs <= 22 + kept.len(),
        "{blobs} blobs for {} revisions",
        kept.len()
    );
}
