//! The store on disk: sled, guarded.
//!
//! In the data directory there are `db/` (sled), `HEAD` (what was answered for), `LOCK` and `RESERVE` (space for a
//! rollback on a full disk). One thread writes ([`writer`]); readers read sled themselves. How a commit becomes durable
//! is in [`commit`], what is written between commits in [`beside`], what is checked before anything is served in [`open`].

mod beside;
mod blob;
mod changes;
mod chore;
mod commit;
mod fault;
mod fleet;
mod guard;
mod head_file;
mod housekeeping;
mod layout;
mod open;
mod options;
mod read;
mod recover;
mod reserve;
mod retention;
mod shared;
mod table;
mod tables;
mod waiting;
mod writer;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

pub use self::options::SledOptions;
use self::{fault::Fault, guard::guard, shared::Shared, tables::Tables, writer::Job};
use super::{Commit, CommitError, Head, RevisionMeta, Store, StoreError, StoredRevision};
use crate::{
    fleet::RosterEntry,
    model::{Name, Revision},
    release::ReleaseRecord,
};

/// A store that takes longer to open is taken for damaged: sled may wait for ever on a file that makes no sense. A whole
/// one with a thousand revisions opens in well under a second.
const OPENING: Duration = Duration::from_secs(120);

/// Durable history in a data directory.
pub struct SledStore {
    dir: PathBuf,
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

impl SledStore {
    /// Opens the store in a data directory, or begins one there. What is found is checked first: see [`open`].
    pub async fn open(dir: impl Into<PathBuf>, options: SledOptions) -> Result<Self, StoreError> {
        let dir = dir.into();
        let shared = Arc::new(Shared::default());
        let (jobs, queue) = mpsc::channel();
        let (opened, outcome) = oneshot::channel();
        let (place, theirs) = (dir.clone(), shared.clone());
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || match open::open(&place, &options, theirs) {
                Ok(writer) => {
                    writer.shared.open(writer.tables.clone());
                    // Nobody waits any more: the queue is closed, and `run` ends at once.
                    let _ = opened.send(Ok(()));
                    writer.run(&queue);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(|error| Fault::Io(error).at(&dir))?;
        let damaged = |detail: &str| Fault::Damaged(detail.to_owned()).at(&dir);
        match tokio::time::timeout(OPENING, outcome).await {
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(_)) => return Err(damaged("it can't be opened")),
            Err(_) => return Err(damaged("sled does not come to an end with opening it")),
        }
        Ok(Self { dir, shared, jobs })
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Drops and sweeps now what is due, instead of between commits; then the disk holds what is needed and no more.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        self.ask(Job::Tidy).await?
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.jobs
            .send(job(answer))
            .map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)
    }

    /// The newest revision that was answered for. sled shows more where it could not flush a commit: whoever asked for that was
    /// told nothing of it, and after a restart it may be gone.
    fn answered(&self, fleet: &Name) -> Revision {
        let head = self.shared.heads.get(fleet);
        head.map_or(Revision::ZERO, |head| head.meta.revision)
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tables) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        let outcome = tokio::task::spawn_blocking(move || {
            let tables = shared.tables()?;
            guard(|| work(&tables))
        });
        match outcome.await {
            Ok(outcome) => outcome.map_err(|fault| fault.at(&self.dir)),
            // The runtime is going down.
            Err(_) => Err(StoreError::Closed),
        }
    }
}

#[async_trait]
impl Store for SledStore {
    async fn commit(&self, commit: Commit) -> Result<Arc<Head>, CommitError> {
        let commit = Box::new(commit);
        self.ask(|answer| Job::Commit(commit, answer)).await?
    }

    fn watch_head(&self, fleet: &Name) -> watch::Receiver<Option<Arc<Head>>> {
        self.shared.heads.subscribe(fleet)
    }

    fn start(&self, fleet: &Name) -> Revision {
        let starts = self.shared.starts.lock();
        let starts = starts.unwrap_or_else(PoisonError::into_inner);
        starts.get(fleet).copied().unwrap_or_default()
    }

    fn fleets(&self) -> Vec<Name> {
        self.shared.heads.fleets()
    }

    async fn revision(
        &self,
        fleet: &Name,
        revision: Revision,
    ) -> Result<Option<StoredRevision>, StoreError> {
        if revision > self.answered(fleet) {
            return Ok(None);
        }
        let (fleet, notes) = (fleet.clone(), self.shared.waiting().notes(fleet));
        self.read(move |tables| {
            let mut head = tables.load(&fleet, revision)?.map(|loaded| loaded.head);
            head.iter_mut()
                .for_each(|head| waiting::add(&notes, &mut head.meta));
            Ok(head)
        })
        .await
    }

    async fn history(
        &self,
        fleet: &Name,
        from: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<RevisionMeta>, StoreError> {
        let answered = self.answered(fleet);
        let from = from.map_or(answered, |from| from.min(answered));
        let (fleet, notes) = (fleet.clone(), self.shared.waiting().notes(fleet));
        self.read(move |tables| {
            let mut metas = tables.history(&fleet, from, limit)?;
            metas.iter_mut().for_each(|meta| waiting::add(&notes, meta));
            Ok(metas)
        })
        .await
    }

    async fn operation(
        &self,
        fleet: &Name,
        operation_id: &str,
    ) -> Result<Option<RevisionMeta>, StoreError> {
        if operation_id.is_empty() {
            return Ok(None);
        }
        if self.shared.unsettled.load(Ordering::SeqCst) {
            // Whoever asks now wants to know what became of a commit: it must be answered for first.
            self.ask(Job::Settle).await??;
        }
        let answered = self.answered(fleet);
        let (fleet, notes) = (fleet.clone(), self.shared.waiting().notes(fleet));
        let id = operation_id.to_owned();
        self.read(move |tables| {
            let mut meta = tables.operation(&fleet, &id)?;
            meta = meta.filter(|meta| meta.revision <= answered);
            meta.iter_mut().for_each(|meta| waiting::add(&notes, meta));
            Ok(meta)
        })
        .await
    }

    async fn annotate(
        &self,
        fleet: &Name,
        revision: Revision,
        note: String,
    ) -> Result<(), StoreError> {
        let fleet = fleet.clone();
        self.ask(|answer| Job::Annotate(fleet, revision, note, answer))
            .await?
    }

    async fn save_roster(&self, fleet: &Name, roster: Vec<RosterEntry>) -> Result<(), StoreError> {
        let fleet = fleet.clone();
        self.ask(|answer| Job::Roster(fleet, roster, answer))
            .await?
    }

    async fn load_roster(&self, fleet: &Name) -> Result<Vec<RosterEntry>, StoreError> {
        if let Some(waiting) = self.shared.waiting().roster(fleet) {
            return Ok(waiting);
        }
        let fleet = fleet.clone();
        self.read(move |tables| tables.roster(&fleet)).await
    }

    async fn save_release(&self, record: Arc<ReleaseRecord>) -> Result<(), StoreError> {
        self.ask(|answer| Job::Release(record, answer)).await?
    }

    async fn release(
        &self,
        fleet: &Name,
        service: &Name,
        number: u64,
    ) -> Result<Option<Arc<ReleaseRecord>>, StoreError> {
        let mut waiting = self.shared.waiting().releases(fleet, service);
        if let Some(record) = waiting.remove(&number) {
            return Ok(Some(record));
        }
        let (fleet, service) = (fleet.clone(), service.clone());
        self.read(move |tables| tables.release(&fleet, &service, number))
            .await
    }

    async fn releases(
        &self,
        fleet: &Name,
        service: &Name,
        limit: usize,
    ) -> Result<Vec<Arc<ReleaseRecord>>, StoreError> {
        let (fleet, service) = (fleet.clone(), service.clone());
        let waiting = self.shared.waiting().releases(&fleet, &service);
        let stored = self
            .read(move |tables| tables.releases(&fleet, &service, limit))
            .await?;
        let stored = stored
            .into_iter()
            .map(|record| (record.rollout.number, record));
        let mut all: BTreeMap<_, _> = stored.collect();
        all.extend(waiting);
        Ok(all.into_values().rev().take(limit).collect())
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.ask(Job::Close).await?
    }
}
