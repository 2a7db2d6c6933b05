//! A store whose records of releases can't be written, or whose disk is full, while a test says so. All else is a store in memory.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bluegreen::{
    fleet::RosterEntry,
    model::{Name, Revision},
    release::ReleaseRecord,
    store::{
        Commit, CommitError, Head, MemoryStore, RevisionMeta, Store, StoreError, StoredRevision,
    },
};
use tokio::sync::watch;

/// The store.
pub struct Keeping {
    kept: MemoryStore,
    /// The number of the release whose record is refused.
    refusing: watch::Sender<Option<u64>>,
    /// Writes that were refused.
    refused: watch::Sender<u64>,
    /// The disk is full: only what goes back is taken.
    full: AtomicBool,
}

impl Keeping {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            kept: MemoryStore::new(),
            refusing: watch::Sender::new(None),
            refused: watch::Sender::new(0),
            full: AtomicBool::new(false),
        })
    }

    /// Records of that release can't be written from now on.
    pub fn refuse(&self, release: u64) {
        self.refusing.send_replace(Some(release));
    }

    /// All can be written again.
    pub fn accept(&self) {
        self.refusing.send_replace(None);
    }

    /// The disk is full from now on, or not any more.
    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Waits until so many writes were refused.
    pub async fn refused(&self, times: u64) {
        let mut refused = self.refused.subscribe();
        refused.wait_for(|count| *count >= times).await.unwrap();
    }
}

#[async_trait]
impl Store for Keeping {
    async fn commit(&self, commit: Commit) -> Result<Arc<Head>, CommitError> {
        if self.full.load(Ordering::SeqCst) && !commit.uses_reserve {
            let (free, needed) = (0, 1);
            return Err(CommitError::DiskFull { free, needed });
        }
        self.kept.commit(commit).await
    }

    fn watch_head(&self, fleet: &Name) -> watch::Receiver<Option<Arc<Head>>> {
        self.kept.watch_head(fleet)
    }

    fn fleets(&self) -> Vec<Name> {
        self.kept.fleets()
    }

    async fn revision(
        &self,
        fleet: &Name,
        revision: Revision,
    ) -> Result<Option<StoredRevision>, StoreError> {
        self.kept.revision(fleet, revision).await
    }

    async fn history(
        &self,
        fleet: &Name,
        from: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<RevisionMeta>, StoreError> {
        self.kept.history(fleet, from, limit).await
    }

    async fn operation(
        &self,
        fleet: &Name,
        operation_id: &str,
    ) -> Result<Option<RevisionMeta>, StoreError> {
        self.kept.operation(fleet, operation_id).await
    }

    async fn annotate(
        &self,
        fleet: &Name,
        revision: Revision,
        note: String,
    ) -> Result<(), StoreError> {
        self.kept.annotate(fleet, revision, note).await
    }

    async fn save_roster(&self, fleet: &Name, roster: Vec<RosterEntry>) -> Result<(), StoreError> {
        self.kept.save_roster(fleet, roster).await
    }

    async fn load_roster(&self, fleet: &Name) -> Result<Vec<RosterEntry>, StoreError> {
        self.kept.load_roster(fleet).await
    }

    async fn save_release(&self, record: Arc<ReleaseRecord>) -> Result<(), StoreError> {
        if *self.refusing.borrow() == Some(record.rollout.number) {
            self.refused.send_modify(|count| *count += 1);
            return Err(StoreError::Io {
                path: "memory".to_owned(),
                source: std::io::Error::other("the disk is full"),
            });
        }
        self.kept.save_release(record).await
    }

    async fn release(
        &self,
        fleet: &Name,
        service: &Name,
        number: u64,
    ) -> Result<Option<Arc<ReleaseRecord>>, StoreError> {
        self.kept.release(fleet, service, number).await
    }

    async fn releases(
        &self,
        fleet: &Name,
        service: &Name,
        limit: usize,
    ) -> Result<Vec<Arc<ReleaseRecord>>, StoreError> {
        self.kept.releases(fleet, service, limit).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.kept.close().await
    }
}
