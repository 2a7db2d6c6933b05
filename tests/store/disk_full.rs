//! A full disk refuses changes and lets a rollback through. On a small tmpfs, where mounting is allowed.

use std::{fs, io::Write as _, path::Path, process::Command};

use bluegreen::{
    model::Colour::{self, Blue, Green},
    store::{CommitError, CommitKind, SledOptions, SledStore, Store},
};

use crate::fixture::{World, sight};

struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        Self::with("size=64m")
    }

    fn with(options: &str) -> Option<Self> {
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

    fn empty(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
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
    let Some(disk) = SmallDisk::mount() else {
        println!("SKIPPED: mounting a tmpfs is not allowed here, run it as root");
        return;
    };
    let store = open(&disk.data()).await;
    let mut world = World::new("payments");
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(first).await.unwrap();
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
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_starts_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else {
        println!("SKIPPED: mounting a tmpfs is not allowed here, run it as root");
        return;
    };
    let store = open(&disk.data()).await;
    let mut world = World::new("payments");
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    let before = store.commit(first).await.unwrap();
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
    let Some(disk) = SmallDisk::with("size=64m,nr_inodes=100") else {
        println!("SKIPPED: mounting a tmpfs is not allowed here, run it as root");
        return;
    };
    let store = open(&disk.data()).await;
    let mut world = World::new("payments");
    let first = world.put(&[("fraud", Blue)], CommitKind::Change);
    store.commit(first).await.unwrap();
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
