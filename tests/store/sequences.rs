//! Random sequences of commits, restarts and tidying against a model: whatever is kept is what was committed.

use std::collections::BTreeMap;

use bluegreen::{
    model::{Colour, Revision},
    store::{CommitKind, SledOptions, SledStore, Store},
};
use proptest::{prelude::*, test_runner::TestCaseError};

use crate::fixture::{World, sight};

#[derive(Clone, Debug)]
enum Act {
    Put(Vec<(u8, bool)>, CommitKind),
    Remove(u8),
    Restart,
    Tidy,
}

fn act() -> impl Strategy<Value = Act> {
    let kind = prop_oneof![
        Just(CommitKind::Change),
        Just(CommitKind::Switch),
        Just(CommitKind::Endpoints)
    ];
    let services = proptest::collection::vec((0u8..6, any::<bool>()), 0..4);
    prop_oneof![
        8 => (services, kind).prop_map(|(services, kind)| Act::Put(services, kind)),
        2 => (0u8..6).prop_map(Act::Remove),
        1 => Just(Act::Restart),
        1 => Just(Act::Tidy),
    ]
}

async fn play(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let options = SledOptions {
        history_limit: 10,
        accept_older: false,
    };
    let open = || async { SledStore::open(dir.path(), options).await.unwrap() };
    let mut store = open().await;
    let mut world = World::new("payments");
    let mut model = BTreeMap::new();
    let fleet = world.fleet.clone();
    for act in acts {
        let commit = match act {
            Act::Put(services, kind) => {
                let names: Vec<_> = services.iter().map(|(at, _)| format!("s{at}")).collect();
                let colour = |green: bool| if green { Colour::Green } else { Colour::Blue };
                let services = names.iter().zip(&services);
                let services: Vec<_> = services
                    .map(|(name, (_, green))| (name.as_str(), colour(*green)))
                    .collect();
                world.put(&services, kind)
            }
            Act::Remove(at) => world.remove(&format!("s{at}")),
            Act::Restart => {
                store.close().await.unwrap();
                drop(store);
                store = open().await;
                if let Some(head) = store.watch_head(&fleet).borrow().clone() {
                    prop_assert_eq!(&sight(&head), &model[&world.revision]);
                    world = World::of(&head);
                }
                continue;
            }
            Act::Tidy => {
                store.tidy().await.unwrap();
                continue;
            }
        };
        let head = store.commit(commit).await.unwrap();
        model.insert(head.meta.revision, sight(&head));
    }
    store.tidy().await.unwrap();
    let kept = store.history(&fleet, None, usize::MAX).await.unwrap();
    prop_assert_eq!(
        kept.first().map(|meta| meta.revision),
        model.keys().last().copied()
    );
    let switches = |meta: &&bluegreen::store::RevisionMeta| meta.kind == CommitKind::Switch;
    // At most ten of each of six services are protected, the limit of 10 and its slack come on top.
    prop_assert!(kept.iter().filter(|meta| !switches(meta)).count() <= 11);
    for meta in &kept {
        let stored = store.revision(&fleet, meta.revision).await.unwrap();
        prop_assert_eq!(&sight(&stored.unwrap()), &model[&meta.revision]);
    }
    let never = store.revision(&fleet, Revision(world.revision.0 + 1)).await;
    prop_assert!(never.unwrap().is_none());
    store.close().await.unwrap();
    Ok(())
}

proptest! {
    // Each case writes to a disk, durably, some dozens of times.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_was_committed(acts in proptest::collection::vec(act(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(play(acts))?;
    }
}
