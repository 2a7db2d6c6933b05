//! A full disk refuses changes and lets a rollback through. On a small tmpfs, where mounting is allowed.

use std::{fs, io::Write as _, path::Path, process::Command, sync::Arc};

use bluegreen::{
    fleet::RosterEntry,
    model::Colour::{self, Blue, Green},
    release::ReleaseRecord,
    store::{CommitError, CommitKind, RevisionMeta, SledOptions, SledStore, Store},
};
use jiff::Timestamp;
use serde_json::json;

use crate::fixture::{World, name, sight};

struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path())
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then(|| Self(dir))
    }

    /// Fills it but for so many bytes.
    fn fill(&self, leave: u64) {
        let disk = rustix::fs::statvfs(self.0.path()).unwrap();
        let free = disk.f_bavail * disk.f_frsize;
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.0.path().join("filler"))
            .unwrap();
        let zeros = vec![0; 4096];
        for _ in 0..free.saturating_sub(leave) / 4096 {
            if file.write_all(&zeros).is_err() {
                return;
            }
        }
    }

    /// Gives all of it back at once: a file that is only removed keeps its room while a process that is being started beside
    /// this test has it open still.
    fn empty(&self) {
        let filler = self.0.path().join("filler");
        fs::File::create(&filler).unwrap();
        fs::remove_file(filler).unwrap();
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

async fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, SledOptions::default()).await.unwrap()
}

/// A store with one revision on a small disk of its own; None where such a disk can't be had.
async fn begun(options: &str) -> Option<(SmallDisk, SledStore, World)> {
    let Some(disk) = SmallDisk::mount(options) else {
        println!("SKIPPED: mounting a tmpfs is not allowed here, run it as root");
        return None;
    };
    let (store, world) = begun_in(&disk.data()).await;
    Some((disk, store, world))
}

/// A new store with one revision.
async fn begun_in(dir: &Path) -> (SledStore, World) {
    let store = open(dir).await;
    let mut world = World::new("payments");
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(first).await.unwrap();
    (store, world)
}

/// The store after a restart: what was answered for is there.
async fn restarted(store: SledStore, dir: &Path, world: &World) -> SledStore {
    let before = store.watch_head(&world.fleet).borrow().clone().unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = open(dir).await;
    let after = store.watch_head(&world.fleet).borrow().clone().unwrap();
    assert_eq!(sight(&after), sight(&before));
    store
}

/// A rollback is stored, which may use the reserve.
async fn roll_back(store: &SledStore, world: &mut World, live: Colour) {
    let mut rollback = world.put(&[("fraud", live)], CommitKind::Switch);
    rollback.uses_reserve = true;
    store.commit(rollback).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_changes_and_lets_a_rollback_through() {
    let Some((disk, store, mut world)) = begun("size=64m").await else {
        return;
    };
    assert!(disk.data().join("RESERVE").exists());

    // Not full yet, but what is left is for rollbacks.
    disk.fill(10 << 20);
    let change = world.clone().put(&[("fraud", Green)], CommitKind::Switch);
    let refused = store.commit(change.clone()).await.unwrap_err();
    assert!(matches!(refused, CommitError::DiskFull { .. }), "{refused}");
    roll_back(&store, &mut world, Green).await;
    assert!(disk.data().join("RESERVE").exists(), "not needed yet");

    // Really full.
    disk.fill(0);
    let change = world.clone().put(&[("fraud", Blue)], CommitKind::Switch);
    let refused = store.commit(change).await.unwrap_err();
    assert!(matches!(refused, CommitError::DiskFull { .. }), "{refused}");
    for live in [Blue, Green, Blue] {
        roll_back(&store, &mut world, live).await;
    }
    assert!(!disk.data().join("RESERVE").exists(), "given up for it");

    // The disk is still full.
    let store = restarted(store, &disk.data(), &world).await;

    // With room again, everything goes.
    disk.empty();
    let change = world.put(&[("fraud", Green)], CommitKind::Switch);
    store.commit(change).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = open(&disk.data()).await;
    assert!(disk.data().join("RESERVE").exists(), "taken again");

    // Nobody is told that rollbacks work, to whom one is refused.
    disk.fill(0);
    roll_back(&store, &mut world, Blue).await;
    disk.fill(0);
    let mut rollback = world.clone().put(&[("fraud", Green)], CommitKind::Switch);
    rollback.uses_reserve = true;
    let refused = store.commit(rollback).await.unwrap_err();
    assert!(matches!(refused, CommitError::ReserveUsedUp), "{refused}");
    let remedy = refused.remedy();
    assert!(!remedy.contains("rollbacks"), "{remedy}");
    disk.empty();
    store.close().await.unwrap();
}

/// The record of a release in that phase.
fn release(phase: &str) -> Arc<ReleaseRecord> {
    let at = "2026-11-30T03:00:00Z";
    let rollout = json!({
        "number": 1, "phase": phase, "reason": "", "since": at, "begun": at, "by": "ada", "why": "",
        "to": { "colour": "green", "deployment": 2, "version": "v1.3" }, "from": null,
    });
    let record = json!({
        "fleet": "payments", "service": "fraud", "rollout": rollout, "updatedAt": at,
    });
    Arc::new(serde_json::from_value(record).unwrap())
}

/// What a store says of a revision, of its releases and of its proxies.
async fn said(store: &SledStore, world: &World) -> (Vec<String>, Vec<Arc<ReleaseRecord>>, usize) {
    let (fleet, service) = (&world.fleet, &name("fraud"));
    let notes = |mut metas: Vec<RevisionMeta>| metas.remove(0).notes;
    let noted = notes(store.history(fleet, None, 1).await.unwrap());
    let stored = store.revision(fleet, world.revision).await.unwrap();
    assert_eq!(stored.unwrap().meta.notes, noted);
    let records = store.releases(fleet, service, 9).await.unwrap();
    let newest = store.release(fleet, service, 1).await.unwrap();
    assert_eq!(newest.as_ref(), records.first());
    let roster = store.load_roster(fleet).await.unwrap();
    (noted, records, roster.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_known_on_a_full_disk_is_not_forgotten() {
    let Some((disk, store, mut world)) = begun("size=64m").await else {
        return;
    };
    store.save_release(release("Baking")).await.unwrap();

    disk.fill(10 << 20);
    roll_back(&store, &mut world, Green).await;
    for note in ["taken back", "accepted by all 2 proxies"] {
        let note = note.to_owned();
        let noted = store.annotate(&world.fleet, world.revision, note);
        noted.await.unwrap();
    }
    store.save_release(release("RolledBack")).await.unwrap();
    let newcomer = RosterEntry {
        id: "envoy-1".into(),
        address: "10.0.0.1:4711".into(),
        software: "envoy 1.40.0".into(),
        last_seen: Timestamp::UNIX_EPOCH,
    };
    let roster = vec![newcomer];
    store.save_roster(&world.fleet, roster).await.unwrap();
    let known = said(&store, &world).await;
    assert_eq!(known.0, ["taken back", "accepted by all 2 proxies"]);
    assert_eq!(known.1, [release("RolledBack")]);
    assert_eq!(known.2, 1);

    disk.empty();
    store.tidy().await.unwrap();
    assert_eq!(said(&store, &world).await, known);
    store.close().await.unwrap();
    drop(store);
    let store = open(&disk.data()).await;
    assert_eq!(said(&store, &world).await, known);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_starts_on_a_full_disk() {
    let Some((disk, store, mut world)) = begun("size=64m").await else {
        return;
    };
    let before = store.watch_head(&world.fleet).borrow().clone().unwrap();
    store.close().await.unwrap();
    drop(store);
    disk.fill(0);
    let store = open(&disk.data()).await;
    let after = store.watch_head(&world.fleet).borrow().clone().unwrap();
    assert_eq!(sight(&after), sight(&before));
    roll_back(&store, &mut world, Green).await;
    store.close().await.unwrap();
    drop(store);

    // With the reserve used up too, it says so, and loses nothing.
    disk.fill(0);
    let refused = SledStore::open(disk.data(), SledOptions::default()).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("free some space"), "{refused}");
    disk.empty();
    let store = open(&disk.data()).await;
    let head = store.watch_head(&world.fleet).borrow().clone().unwrap();
    assert_eq!(head.meta.revision, world.revision);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_can_hold_no_more_files_is_a_full_one() {
    let Some((disk, store, mut world)) = begun("size=64m,nr_inodes=100").await else {
        return;
    };
    let others = disk.0.path().join("others");
    fs::create_dir(&others).unwrap();
    let made = (0..).take_while(|at| fs::write(others.join(at.to_string()), "").is_ok());
    assert!(made.count() > 50);

    let change = world.clone().put(&[("fraud", Green)], CommitKind::Switch);
    let refused = store.commit(change).await.unwrap_err();
    assert!(
        matches!(refused, CommitError::FilesFull { free: 0, .. }),
        "{refused}"
    );
    for live in [Green, Blue, Green] {
        roll_back(&store, &mut world, live).await;
    }
    assert!(!disk.data().join("RESERVE").exists(), "given up for it");
    let store = restarted(store, &disk.data(), &world).await;

    // With room again, everything goes.
    fs::remove_dir_all(&others).unwrap();
    let change = world.put(&[("fraud", Blue)], CommitKind::Switch);
    store.commit(change).await.unwrap();
    store.close().await.unwrap();
}

/// A file system that has more room than the disk below it: what it takes is not all written.
struct ThinDisk {
    mounted: tempfile::TempDir,
    below: SmallDisk,
}

impl ThinDisk {
    fn mount() -> Option<Self> {
        let below = SmallDisk::mount("size=64m")?;
        let image = below.0.path().join("image");
        fs::File::create(&image)
            .unwrap()
            .set_len(256 << 20)
            .unwrap();
        let mounted = tempfile::tempdir().unwrap();
        let ran = |command: &mut Command| command.output().is_ok_and(|it| it.status.success());
        let there = ran(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))
            && ran(Command::new("mount")
                .args(["-o", "loop"])
                .arg(&image)
                .arg(mounted.path()));
        there.then_some(Self { mounted, below })
    }
}

impl Drop for ThinDisk {
    fn drop(&mut self) {
        let at = self.mounted.path();
        let _ = Command::new("umount").arg("-l").arg(at).status();
    }
}

/// The disk fails while a commit is flushed. sled has it in memory then, and shows it; but nobody has answered for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_flushed_is_not_said_to_be_done() {
    let Some(disk) = ThinDisk::mount() else {
        println!("SKIPPED: mounting an ext4 is not possible here, run it as root");
        return;
    };
    let (store, mut world) = begun_in(&disk.mounted.path().join("data")).await;
    let mut kept = sight(&store.watch_head(&world.fleet).borrow().clone().unwrap());

    disk.below.fill(0);
    // Some are written where there is room already.
    let fleet = world.fleet.clone();
    let (id, revision, failed) = loop {
        let live = if world.revision.0.is_multiple_of(2) {
            Blue
        } else {
            Green
        };
        let commit = world.put(&[("fraud", live)], CommitKind::Change);
        let (id, revision) = (commit.meta.operation_id.clone(), commit.meta.revision);
        match store.commit(commit).await {
            Ok(head) => kept = sight(&head),
            Err(failed) => break (id, revision, failed),
        }
    };
    assert!(matches!(failed, CommitError::Unknown(_)), "{failed}");

    assert_eq!(store.operation(&fleet, &id).await.unwrap(), None);
    let history = store.history(&fleet, None, 10).await.unwrap();
    assert!(history.iter().all(|meta| meta.revision < revision));
    assert!(store.revision(&fleet, revision).await.unwrap().is_none());
    let head = store.watch_head(&fleet).borrow().clone().unwrap();
    assert_eq!(sight(&head), kept);
}
