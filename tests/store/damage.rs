//! The matrix of damage: whatever happens to the files, no older revision is served unless the operator said so, nothing
//! panics, and the message says what to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use bluegreen::{
    model::{
        Colour::{Blue, Green},
        Revision,
    },
    store::{CommitKind, Head, SledOptions, SledStore, Store, StoreError},
};
use tokio::sync::OnceCell;

use crate::fixture::{World, name, sight};

const COMMITS: u64 = 300;

/// A store with 300 flushed commits, and what each of them looked like.
struct Base {
    dir: PathBuf,
    sights: Vec<String>,
    contents: BTreeSet<String>,
}

/// What proxies would get, without versions.
fn content(head: &Head) -> String {
    let sets = head.snapshot.types();
    let digests: Vec<_> = sets.map(|set| (set.type_url, set.digest)).collect();
    format!("{:?} {digests:?}", head.state)
}

async fn base() -> &'static Base {
    static BASE: OnceCell<Base> = OnceCell::const_new();
    BASE.get_or_init(|| async {
        // One place, made anew by each run: what is static is never cleaned up.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store-damage");
        let _ = fs::remove_dir_all(&dir);
        let store = open(&dir).await.unwrap();
        let mut world = World::new("payments");
        let names: Vec<String> = (0..20).map(|at| format!("s{at}")).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), Blue)).collect();
        let mut sights = Vec::new();
        let mut contents = BTreeSet::new();
        for round in 0..COMMITS {
            let commit = if round == 0 {
                world.put(&all, CommitKind::Change)
            } else {
                let live = if (round / 20) % 2 == 0 { Green } else { Blue };
                let service = &names[(round % 20) as usize];
                world.put(&[(service, live)], CommitKind::Switch)
            };
            let head = store.commit(commit).await.unwrap();
            sights.push(sight(&head));
            contents.insert(content(&head));
        }
        store.close().await.unwrap();
        Base {
            dir,
            sights,
            contents,
        }
    })
    .await
}

async fn open(dir: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(dir, SledOptions::default()).await
}

async fn accept_older(dir: &Path) -> Result<SledStore, StoreError> {
    let options = SledOptions {
        accept_older: true,
        ..SledOptions::default()
    };
    SledStore::open(dir, options).await
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "RESERVE" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn head(store: &SledStore) -> Head {
    let head = store.watch_head(&name("payments")).borrow().clone();
    head.unwrap().as_ref().clone()
}

/// How often the matrix came to which end, for who reads the output.
fn outcomes() -> MutexGuard<'static, BTreeMap<String, u32>> {
    static OUTCOMES: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    OUTCOMES.lock().unwrap()
}

fn outcome(text: &str) -> String {
    let known = [
        "went back in time",
        "sled gave up",
        "digest",
        "HEAD",
        "missing",
        "lacks a piece",
    ];
    let known = known.into_iter().find(|words| text.contains(words));
    known.map_or_else(|| text.to_owned(), str::to_owned)
}

/// One case of the matrix: `damage` is done to a copy, and the copy is opened. True: it was refused.
async fn case(what: &str, damage: impl Fn(&Path)) -> bool {
    let base = base().await;
    let dir = tempfile::tempdir().unwrap();
    copy(&base.dir, dir.path());
    damage(dir.path());
    let refused = match open(dir.path()).await {
        Ok(store) => {
            assert_eq!(
                Some(&sight(&head(&store))),
                base.sights.last(),
                "{what}: anything but the newest revision was served"
            );
            live_on(what, base, &store).await;
            false
        }
        Err(error) => {
            let text = error.to_string();
            assert!(
                matches!(
                    error,
                    StoreError::Damaged { .. } | StoreError::WentBack { .. }
                ),
                "{what}: {text}"
            );
            let remedy = text.contains("estore a") && text.contains("backup");
            assert!(remedy && !text.contains('\n'), "{what}: {text}");
            if matches!(error, StoreError::WentBack { .. }) {
                let again = open(dir.path()).await;
                assert!(again.is_err(), "{what}: the second time it was served");
            }
            *outcomes().entry(outcome(&text)).or_default() += 1;
            true
        }
    };
    let older = tempfile::tempdir().unwrap();
    copy(&base.dir, older.path());
    damage(older.path());
    match accept_older(older.path()).await {
        Ok(store) => {
            if let Some(head) = store.watch_head(&name("payments")).borrow().clone() {
                assert!(
                    base.contents.contains(&content(&head)),
                    "{what}: never was so"
                );
                let revision = head.meta.revision;
                assert!(
                    revision > Revision(COMMITS) || !refused,
                    "{what}: {revision} again"
                );
            } else {
                assert!(
                    store.start(&name("payments")) >= Revision(COMMITS),
                    "{what}"
                );
            }
            live_on(what, base, &store).await;
            let _ = store.close().await;
            drop(store);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(
                matches!(error, StoreError::Damaged { .. }),
                "{what}: {text}"
            );
        }
    }
    refused
}

/// A damaged store that works: all its history can be asked for, and it takes commits or says why not.
async fn live_on(what: &str, base: &Base, store: &SledStore) {
    let fleet = name("payments");
    // Every 13th: there are 300 of them, and this is done a hundred times.
    for (revision, expected) in (1..).zip(&base.sights).step_by(13) {
        if let Ok(Some(stored)) = store.revision(&fleet, Revision(revision)).await {
            assert_eq!(&sight(&stored), expected, "{what}: revision {revision}");
        }
    }
    let Some(head) = store.watch_head(&fleet).borrow().clone() else {
        return;
    };
    let mut world = World::of(&head);
    for live in [Blue, Green] {
        let commit = world.put(&[("s3", live)], CommitKind::Switch);
        if store.commit(commit).await.is_err() {
            return;
        }
    }
}

fn database(dir: &Path) -> PathBuf {
    dir.join("db").join("db")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_copy_is_served() {
    assert!(!case("a copy", |_| {}).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_cut() {
    let mut refused = 0;
    let cuts = [100, 1_000, 5_000, 20_000, 50_000, 100_000, 150_000, 200_000];
    for cut in cuts {
        let cut_off = |dir: &Path| {
            let file = OpenOptions::new().write(true).open(database(dir)).unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(length - cut).unwrap();
        };
        refused += usize::from(case(&format!("cut by {cut}"), cut_off).await);
    }
    println!(
        "{refused} of {} cuts were refused; so far: {:?}",
        cuts.len(),
        outcomes()
    );
    assert!(refused > 0, "the matrix tests something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_overwritten() {
    let mut refused = 0;
    let seeds = 1..=24u64;
    for seed in seeds.clone() {
        let overwrite = |dir: &Path| {
            let file = OpenOptions::new().write(true).open(database(dir)).unwrap();
            let length = file.metadata().unwrap().len();
            // Knuth's multiplicative hash spreads the seeds over the file.
            let at = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (length - 16);
            let noise = seed.wrapping_mul(0xD134_2543_DE82_EF95).to_le_bytes();
            file.write_all_at(&[noise, noise].concat(), at).unwrap();
        };
        refused += usize::from(case(&format!("overwritten, seed {seed}"), overwrite).await);
    }
    println!(
        "{refused} of {} were refused; so far: {:?}",
        seeds.count(),
        outcomes()
    );
    assert!(refused > 0, "the matrix tests something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_file_that_is_not_right() {
    for keep in [0, 1, 17, 40, 90] {
        let cut = |dir: &Path| {
            let file = OpenOptions::new().write(true).open(dir.join("HEAD"));
            file.unwrap().set_len(keep).unwrap();
        };
        assert!(case(&format!("HEAD of {keep} bytes"), cut).await);
    }
    for at in [3, 20, 30, 60, 120] {
        let garble = |dir: &Path| {
            let file = OpenOptions::new().write(true).open(dir.join("HEAD"));
            file.unwrap().write_all_at(b"#", at).unwrap();
        };
        assert!(case(&format!("HEAD garbled at {at}"), garble).await);
    }
    let missing = |dir: &Path| fs::remove_file(dir.join("HEAD")).unwrap();
    assert!(case("HEAD missing", missing).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone() {
    let emptied = |dir: &Path| {
        fs::remove_dir_all(dir.join("db")).unwrap();
        fs::create_dir(dir.join("db")).unwrap();
    };
    assert!(case("db emptied", emptied).await);
    assert!(case("db gone", |dir| fs::remove_dir_all(dir.join("db")).unwrap()).await);
    let nothing = |dir: &Path| fs::write(database(dir), b"").unwrap();
    assert!(case("db of no bytes", nothing).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_beside_a_newer_head_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let mut world = World::new("payments");
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(first).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let backup = tempfile::tempdir().unwrap();
    copy(dir.path(), backup.path());
    let store = open(dir.path()).await.unwrap();
    let second = world.put(&[("fraud", Green)], CommitKind::Switch);
    store.commit(second).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    fs::copy(dir.path().join("HEAD"), backup.path().join("HEAD")).unwrap();
    let error = open(backup.path()).await.err().unwrap();
    assert!(
        matches!(
            error,
            StoreError::WentBack {
                found: Revision(1),
                head: Revision(2),
                ..
            }
        ),
        "{error}"
    );

    // Accepted, the old content comes as a revision that never was.
    let store = accept_older(backup.path()).await.unwrap();
    let head = head(&store);
    assert_eq!(head.meta.revision, Revision(3));
    assert_eq!(head.meta.command, "recover");
    assert!(
        head.snapshot
            .types()
            .all(|set| set.changed_in == Revision(3))
    );
    store.close().await.unwrap();
    drop(store);
    let store = open(backup.path()).await.unwrap();
    let commit = World::of(&head).put(&[("fraud", Green)], CommitKind::Switch);
    let head = store.commit(commit).await.unwrap();
    assert_eq!(head.meta.revision, Revision(4), "and it goes on from there");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_revision_under_the_same_number_is_refused() {
    let mut dirs = Vec::new();
    for live in [Blue, Green] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).await.unwrap();
        let commit = World::new("payments").put(&[("fraud", live)], CommitKind::Change);
        store.commit(commit).await.unwrap();
        store.close().await.unwrap();
        dirs.push(dir);
    }
    let [one, two] = [&dirs[0], &dirs[1]].map(|dir| dir.path().join("HEAD"));
    fs::copy(two, one).unwrap();
    let error = open(dirs[0].path()).await.err().unwrap();
    assert!(
        error.to_string().contains("not the one that HEAD names"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_a_lost_fleet_are_not_used_again() {
    let base = base().await;
    let dir = tempfile::tempdir().unwrap();
    copy(&base.dir, dir.path());
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    for _ in 0..2 {
        let store = match open(dir.path()).await {
            Ok(store) => store,
            Err(_) => accept_older(dir.path()).await.unwrap(),
        };
        let fleet = name("payments");
        assert!(
            store.watch_head(&fleet).borrow().is_none(),
            "nothing, not an empty fleet"
        );
        assert_eq!(store.start(&fleet), Revision(COMMITS));
        store.close().await.unwrap();
    }
    let store = open(dir.path()).await.unwrap();
    let mut world = World::new("payments");
    let early = world.clone().put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(early).await.unwrap_err();
    world.revision = Revision(COMMITS);
    let commit = world.put(&[("fraud", Blue)], CommitKind::Change);
    let head = store.commit(commit).await.unwrap();
    assert_eq!(head.meta.revision, Revision(COMMITS + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_format_and_a_lock_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let locked = open(dir.path()).await.err().unwrap();
    assert!(matches!(locked, StoreError::Locked { .. }), "{locked}");
    store.close().await.unwrap();
    fs::write(dir.path().join("HEAD"), "bluegreen store 2\n?\n").unwrap();
    let newer = open(dir.path()).await.err().unwrap();
    assert!(
        matches!(
            newer,
            StoreError::NewerFormat {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{newer}"
    );
}
