//! One suite for every store.

use std::{path::PathBuf, sync::Arc};

use bluegreen::{
    fleet::RosterEntry,
    model::{
        Colour::{Blue, Green},
        Revision,
    },
    store::{
        CommitError, CommitKind, LostAnswer, MemoryStore, SledOptions, SledStore, Store, StoreError,
    },
};
use jiff::Timestamp;

use crate::fixture::{World, name, sight};

/// A kind of store, and what the suite needs to do to it. A third kind is a third implementation of this.
#[async_trait::async_trait]
trait Kind: Send + Sync {
    /// An empty store.
    async fn open(&self) -> Arc<dyn Store>;
    /// The same store after a restart; None if this kind forgets.
    async fn reopen(&self) -> Option<Arc<dyn Store>>;
    /// The next commit's outcome is unknown.
    fn lose_answer(&self);
    /// The disk, or whatever it was, works again.
    fn heal(&self);
}

#[derive(Default)]
struct Memory(std::sync::Mutex<Option<Arc<MemoryStore>>>);

#[async_trait::async_trait]
impl Kind for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        let store = Arc::new(MemoryStore::new());
        *self.0.lock().unwrap() = Some(store.clone());
        store
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        None
    }

    fn lose_answer(&self) {
        let store = self.0.lock().unwrap().clone().unwrap();
        store.lose_answer(LostAnswer::Made);
    }

    fn heal(&self) {}
}

struct Sled(tempfile::TempDir);

impl Sled {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn in_the_way(&self) -> PathBuf {
        self.0.path().join("HEAD.new")
    }
}

#[async_trait::async_trait]
impl Kind for Sled {
    async fn open(&self) -> Arc<dyn Store> {
        let store = SledStore::open(self.0.path(), SledOptions::default());
        Arc::new(store.await.unwrap())
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        Some(self.open().await)
    }

    fn lose_answer(&self) {
        // Sled flushes, and HEAD can't be written.
        std::fs::create_dir(self.in_the_way()).unwrap();
    }

    fn heal(&self) {
        let _ = std::fs::remove_dir(self.in_the_way());
    }
}

async fn one_after_the_other(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut world = World::new("payments");
    let mut heads = store.watch_head(&world.fleet);
    assert!(heads.borrow().is_none());
    assert!(store.fleets().is_empty());

    let mut expected = Vec::new();
    for live in [Blue, Green, Blue] {
        let commit = world.put(&[("fraud", live), ("other", Blue)], CommitKind::Switch);
        let head = store.commit(commit).await.unwrap();
        assert!(
            heads.has_changed().unwrap(),
            "the head is known when the commit is answered"
        );
        let watched = heads.borrow_and_update().clone().unwrap();
        assert_eq!(sight(&watched), sight(&head));
        expected.push(sight(&head));
    }
    assert_eq!(store.fleets(), [world.fleet.clone()]);
    for (revision, expected) in (1..).zip(&expected) {
        let stored = store.revision(&world.fleet, Revision(revision)).await;
        assert_eq!(&sight(&stored.unwrap().unwrap()), expected);
    }
    let none = store.revision(&world.fleet, Revision(4)).await.unwrap();
    assert!(none.is_none());
    let none = store.revision(&name("nobody"), Revision(1)).await.unwrap();
    assert!(none.is_none());
}

async fn a_wrong_revision_or_epoch_is_refused(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut world = World::new("payments");
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(first.clone()).await.unwrap();
    let again = store.commit(first).await.unwrap_err();
    assert!(
        matches!(
            again,
            CommitError::Conflict {
                expected: Revision(0),
                actual: Revision(1),
                ..
            }
        ),
        "{again}"
    );

    let mut skipping = world.clone();
    skipping.revision = Revision(7);
    let skipping = skipping.put(&[("fraud", Green)], CommitKind::Switch);
    let refused = store.commit(skipping).await.unwrap_err();
    assert!(
        matches!(
            refused,
            CommitError::Conflict {
                actual: Revision(1),
                ..
            }
        ),
        "{refused}"
    );

    let mut taken_over = world.put(&[("fraud", Green)], CommitKind::Switch);
    taken_over.epoch = 3;
    store.commit(taken_over).await.unwrap();
    let mut stale = world.put(&[("fraud", Blue)], CommitKind::Switch);
    stale.epoch = 2;
    let fenced = store.commit(stale.clone()).await.unwrap_err();
    assert!(
        matches!(
            fenced,
            CommitError::Fenced {
                epoch: 2,
                newest: 3
            }
        ),
        "{fenced}"
    );
    if let Some(store) = {
        store.close().await.unwrap();
        drop(store);
        kind.reopen().await
    } {
        let fenced = store.commit(stale).await.unwrap_err();
        assert!(
            matches!(fenced, CommitError::Fenced { newest: 3, .. }),
            "{fenced}"
        );
    }
}

async fn a_commit_that_contradicts_itself_is_refused(kind: &dyn Kind) {
    let store = kind.open().await;
    let whole = World::new("payments").put(&[("fraud", Blue)], CommitKind::Change);
    let mut other_fleet = whole.clone();
    other_fleet.meta.fleet = name("search");
    let mut other_record = whole.clone();
    other_record.meta.revision = Revision(2);
    let mut end = whole.clone();
    end.expected = Revision(u64::MAX);
    for commit in [other_fleet, other_record, end] {
        let refused = store.commit(commit).await.unwrap_err();
        assert!(
            matches!(refused, CommitError::Contradiction { .. }),
            "{refused}"
        );
    }
    assert!(store.fleets().is_empty(), "nothing was written");
}

async fn of_two_writers_one_wins(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut world = World::new("payments");
    let mut heads = store.watch_head(&world.fleet);
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(first).await.unwrap();
    for _ in 0..20 {
        let racers = (0..4).map(|racer| {
            let (store, mut world) = (store.clone(), world.clone());
            tokio::spawn(async move {
                let mut commit = world.put(&[("fraud", Green)], CommitKind::Switch);
                commit.meta.actor = format!("racer {racer}");
                store.commit(commit).await
            })
        });
        let racers: Vec<_> = racers.collect();
        let mut won = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(head) => won.push(head),
                Err(CommitError::Conflict { actual, .. }) => {
                    assert_eq!(actual, world.revision.next());
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won.len(), 1);
        let head = heads.borrow_and_update().clone().unwrap();
        assert_eq!(sight(&head), sight(&won[0]));
        world = World::of(&head);
    }
}

async fn heads_come_in_order(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut heads = store.watch_head(&name("payments"));
    let watcher = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.last() != Some(&Revision(50)) {
            heads.changed().await.unwrap();
            let head = heads.borrow_and_update().clone().unwrap();
            seen.push(head.meta.revision);
        }
        seen
    });
    let mut world = World::new("payments");
    let mut other = World::new("search");
    for round in 0..50 {
        let live = if round % 2 == 0 { Blue } else { Green };
        let commit = world.put(&[("fraud", live)], CommitKind::Switch);
        store.commit(commit).await.unwrap();
        let commit = other.put(&[("rank", live)], CommitKind::Switch);
        store.commit(commit).await.unwrap();
    }
    let seen = watcher.await.unwrap();
    assert!(seen.is_sorted_by(|one, two| one < two), "{seen:?}");
    assert_eq!(store.fleets(), [name("payments"), name("search")]);
}

async fn a_head_says_when_it_was_durable(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut heads = store.watch_head(&name("payments"));
    let watcher = tokio::spawn(async move {
        heads.changed().await.unwrap();
        let heard = Timestamp::now();
        (heads.borrow().clone().unwrap(), heard)
    });
    let before = Timestamp::now();
    let commit = World::new("payments").put(&[("fraud", Blue)], CommitKind::Change);
    let answered = store.commit(commit).await.unwrap().durable_at.unwrap();
    let (head, heard) = watcher.await.unwrap();
    assert_eq!(head.durable_at, Some(answered));
    assert!(before <= answered && answered <= heard);
    // A server that is started later was not there.
    store.close().await.unwrap();
    drop(store);
    if let Some(store) = kind.reopen().await {
        let head = store.watch_head(&name("payments")).borrow().clone();
        assert_eq!(head.unwrap().durable_at, None);
    }
}

async fn history_and_operations(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut world = World::new("payments");
    for live in [Blue, Green, Blue, Green] {
        let commit = world.put(&[("fraud", live)], CommitKind::Switch);
        store.commit(commit).await.unwrap();
    }
    let fleet = &world.fleet;
    let numbers = async |from, limit| -> Vec<u64> {
        let metas = store.history(fleet, from, limit).await.unwrap();
        metas.iter().map(|meta| meta.revision.0).collect()
    };
    assert_eq!(numbers(None, 100).await, [4, 3, 2, 1]);
    assert_eq!(numbers(None, 2).await, [4, 3]);
    assert_eq!(numbers(Some(Revision(3)), 2).await, [3, 2]);
    assert_eq!(numbers(Some(Revision(9)), 1).await, [4]);
    assert_eq!(numbers(None, 0).await, [] as [u64; 0]);
    assert!(
        store
            .history(&name("nobody"), None, 9)
            .await
            .unwrap()
            .is_empty()
    );

    let made = store.operation(fleet, "op-payments-3").await.unwrap();
    assert_eq!(made.unwrap().revision, Revision(3));
    for unknown in ["op-payments-5", ""] {
        assert_eq!(store.operation(fleet, unknown).await.unwrap(), None);
    }
    let elsewhere = store.operation(&name("search"), "op-payments-3").await;
    assert_eq!(elsewhere.unwrap(), None, "operations belong to their fleet");

    for note in ["acked by all", "and baked"] {
        let note = note.to_owned();
        store.annotate(fleet, Revision(2), note).await.unwrap();
    }
    let unknown = store.annotate(fleet, Revision(8), "nobody reads this".to_owned());
    unknown.await.unwrap();
    let meta = &store.history(fleet, Some(Revision(2)), 1).await.unwrap()[0];
    assert_eq!(meta.notes, ["acked by all", "and baked"]);
    let stored = store.revision(fleet, Revision(2)).await.unwrap().unwrap();
    assert_eq!(&stored.meta, meta);
}

async fn rosters(kind: &dyn Kind) {
    let store = kind.open().await;
    let fleet = name("payments");
    assert!(store.load_roster(&fleet).await.unwrap().is_empty());
    let proxy = |id: usize| RosterEntry {
        id: format!("envoy-{id}").into(),
        address: "10.0.0.1:4711".into(),
        software: "envoy 1.40.0".into(),
        last_seen: Timestamp::from_second(1_700_000_000).unwrap(),
    };
    let many: Vec<_> = (0..500).map(proxy).collect();
    let few: Vec<_> = (0..2).map(proxy).collect();
    store.save_roster(&fleet, many.clone()).await.unwrap();
    assert_eq!(store.load_roster(&fleet).await.unwrap(), many);
    store.save_roster(&fleet, few.clone()).await.unwrap();
    assert_eq!(store.load_roster(&fleet).await.unwrap(), few);
    store.close().await.unwrap();
    drop(store);
    if let Some(store) = kind.reopen().await {
        assert_eq!(store.load_roster(&fleet).await.unwrap(), few);
    }
}

async fn a_restart_changes_nothing(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut world = World::new("payments");
    let all = ["a", "b", "c", "d"].map(|service| (service, Blue));
    let mut before = Vec::new();
    let commits = [
        world.put(&all, CommitKind::Change),
        world.put(&[("b", Green)], CommitKind::Switch),
        world.remove("c"),
        world.put(&[("d", Green)], CommitKind::Switch),
    ];
    for commit in commits {
        before.push(sight(&store.commit(commit).await.unwrap()));
    }
    store.close().await.unwrap();
    drop(store);
    let Some(store) = kind.reopen().await else {
        return;
    };
    assert_eq!(store.fleets(), [world.fleet.clone()]);
    for (revision, before) in (1..).zip(&before) {
        let stored = store.revision(&world.fleet, Revision(revision)).await;
        assert_eq!(&sight(&stored.unwrap().unwrap()), before);
    }
    let head = store.watch_head(&world.fleet).borrow().clone().unwrap();
    assert_eq!(Some(&sight(&head)), before.last());
    let made = store.operation(&world.fleet, "op-payments-2").await;
    assert_eq!(made.unwrap().unwrap().revision, Revision(2));

    // And it goes on from what was read back.
    let mut world = World::of(&head);
    let next = world.put(&[("b", Blue)], CommitKind::Switch);
    let head = store.commit(next).await.unwrap();
    let stored = store.revision(&world.fleet, Revision(5)).await.unwrap();
    assert_eq!(sight(&stored.unwrap()), sight(&head));
}

async fn after_an_unknown_outcome_the_operation_tells(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut world = World::new("payments");
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(first).await.unwrap();
    kind.lose_answer();
    let second = world.put(&[("fraud", Green)], CommitKind::Switch);
    let unknown = store.commit(second.clone()).await.unwrap_err();
    assert!(matches!(unknown, CommitError::Unknown(_)), "{unknown}");
    kind.heal();
    let made = store
        .operation(&world.fleet, &second.meta.operation_id)
        .await;
    assert_eq!(made.unwrap().unwrap().revision, Revision(2));
    let head = store.watch_head(&world.fleet).borrow().clone().unwrap();
    assert_eq!(head.meta.revision, Revision(2), "and the head shows it");
    let again = store.commit(second).await.unwrap_err();
    assert!(matches!(again, CommitError::Conflict { .. }), "{again}");
    let third = world.put(&[("fraud", Blue)], CommitKind::Switch);
    store.commit(third).await.unwrap();
}

async fn closed_is_closed(kind: &dyn Kind) {
    let store = kind.open().await;
    let mut world = World::new("payments");
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(first).await.unwrap();
    store.close().await.unwrap();
    let late = world.put(&[("fraud", Green)], CommitKind::Switch);
    let late = store.commit(late).await.unwrap_err();
    assert!(
        matches!(late, CommitError::Store(StoreError::Closed)),
        "{late}"
    );
    let late = store.history(&world.fleet, None, 1).await.unwrap_err();
    assert!(matches!(late, StoreError::Closed), "{late}");
    let late = store.close().await.unwrap_err();
    assert!(matches!(late, StoreError::Closed), "{late}");
}

macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(&super::Memory::default()).await;
            })*
        }
        mod sled {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(&super::Sled::new()).await;
            })*
        }
    };
}

suite!(
    one_after_the_other,
    a_wrong_revision_or_epoch_is_refused,
    a_commit_that_contradicts_itself_is_refused,
    of_two_writers_one_wins,
    heads_come_in_order,
    a_head_says_when_it_was_durable,
    history_and_operations,
    rosters,
    a_restart_changes_nothing,
    after_an_unknown_outcome_the_operation_tells,
    closed_is_closed,
);
