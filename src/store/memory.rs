//! A store that forgets everything at the end: for tests, and for trying things out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    Commit, CommitError, Head, RELEASES_KEPT, RevisionMeta, Store, StoreError, StoredRevision,
    heads::Heads,
};
use crate::{
    fleet::RosterEntry,
    model::{Name, Revision},
    release::ReleaseRecord,
};

/// Revisions in memory, all of them kept.
#[derive(Default)]
pub struct MemoryStore {
    heads: Heads,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    fleets: BTreeMap<Name, BTreeMap<Revision, StoredRevision>>,
    rosters: BTreeMap<Name, Vec<RosterEntry>>,
    /// By fleet and service, then by number.
    releases: BTreeMap<(Name, Name), BTreeMap<u64, Arc<ReleaseRecord>>>,
    epoch: u64,
    closed: bool,
    lose: Option<LostAnswer>,
}

/// What became of a commit whose answer is lost (see [`MemoryStore::lose_answer`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostAnswer {
    /// The commit was made.
    Made,
    /// Nothing was written.
    NotMade,
}

impl MemoryStore {
    /// A store without fleets.
    pub fn new() -> Self {
        Self::default()
    }

    /// For tests: the next commit answers [`CommitError::Unknown`], made or not.
    pub fn lose_answer(&self, outcome: LostAnswer) {
        self.lock().lose = Some(outcome);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics between two writes, so what a poisoned lock guards is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let inner = self.lock();
        if inner.closed {
            return Err(StoreError::Closed);
        }
        Ok(inner)
    }
}

fn unknown() -> CommitError {
    CommitError::Unknown(StoreError::Io {
        path: "memory".to_owned(),
        source: std::io::Error::other("the answer was lost"),
    })
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Arc<Head>, CommitError> {
        commit.check()?;
        let mut inner = self.open()?;
        commit.check_epoch(inner.epoch)?;
        commit.check_expected(
            self.heads.get(&commit.meta.fleet).as_deref(),
            Revision::ZERO,
        )?;
        let lose = inner.lose.take();
        if lose == Some(LostAnswer::NotMade) {
            return Err(unknown());
        }
        inner.epoch = commit.epoch;
        let head = Arc::new(Head {
            durable_at: Some(Timestamp::now()),
            ..commit.into_head()
        });
        inner
            .fleets
            .entry(head.meta.fleet.clone())
            .or_default()
            .insert(head.meta.revision, head.as_ref().clone());
        // Under the lock, so that heads come out in order.
        self.heads.publish(head.clone());
        match lose {
            None => Ok(head),
            Some(_) => Err(unknown()),
        }
    }

    fn watch_head(&self, fleet: &Name) -> watch::Receiver<Option<Arc<Head>>> {
        self.heads.subscribe(fleet)
    }

    fn fleets(&self) -> Vec<Name> {
        self.heads.fleets()
    }

    async fn revision(
        &self,
        fleet: &Name,
        revision: Revision,
    ) -> Result<Option<StoredRevision>, StoreError> {
        let inner = self.open()?;
        let revisions = inner.fleets.get(fleet);
        Ok(revisions.and_then(|kept| kept.get(&revision)).cloned())
    }

    async fn history(
        &self,
        fleet: &Name,
        from: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<RevisionMeta>, StoreError> {
        let inner = self.open()?;
        let upto = from.unwrap_or(Revision(u64::MAX));
        let revisions = inner.fleets.get(fleet).into_iter();
        Ok(revisions
            .flat_map(|kept| kept.range(..=upto).rev())
            .take(limit)
            .map(|(_, stored)| stored.meta.clone())
            .collect())
    }

    async fn operation(
        &self,
        fleet: &Name,
        operation_id: &str,
    ) -> Result<Option<RevisionMeta>, StoreError> {
        let inner = self.open()?;
        let revisions = inner.fleets.get(fleet).into_iter();
        Ok(revisions
            .flat_map(|kept| kept.values().rev())
            .find(|stored| stored.meta.operation_id == operation_id && !operation_id.is_empty())
            .map(|stored| stored.meta.clone()))
    }

    async fn annotate(
        &self,
        fleet: &Name,
        revision: Revision,
        note: String,
    ) -> Result<(), StoreError> {
        let mut inner = self.open()?;
        let revisions = inner.fleets.get_mut(fleet);
        if let Some(stored) = revisions.and_then(|kept| kept.get_mut(&revision)) {
            stored.meta.notes.push(note);
        }
        Ok(())
    }

    async fn save_roster(&self, fleet: &Name, roster: Vec<RosterEntry>) -> Result<(), StoreError> {
        self.open()?.rosters.insert(fleet.clone(), roster);
        Ok(())
    }

    async fn load_roster(&self, fleet: &Name) -> Result<Vec<RosterEntry>, StoreError> {
        let inner = self.open()?;
        Ok(inner.rosters.get(fleet).cloned().unwrap_or_default())
    }

    async fn save_release(&self, record: Arc<ReleaseRecord>) -> Result<(), StoreError> {
        let mut inner = self.open()?;
        let key = (record.fleet.clone(), record.service.clone());
        let kept = inner.releases.entry(key).or_default();
        kept.insert(record.rollout.number, record);
        while kept.len() > RELEASES_KEPT {
            kept.pop_first();
        }
        Ok(())
    }

    async fn release(
        &self,
        fleet: &Name,
        service: &Name,
        number: u64,
    ) -> Result<Option<Arc<ReleaseRecord>>, StoreError> {
        let inner = self.open()?;
        let kept = inner.releases.get(&(fleet.clone(), service.clone()));
        Ok(kept.and_then(|kept| kept.get(&number)).cloned())
    }

    async fn releases(
        &self,
        fleet: &Name,
        service: &Name,
        limit: usize,
    ) -> Result<Vec<Arc<ReleaseRecord>>, StoreError> {
        let inner = self.open()?;
        let kept = inner.releases.get(&(fleet.clone(), service.clone()));
        let newest = kept.into_iter().flat_map(|kept| kept.values().rev());
        Ok(newest.take(limit).cloned().collect())
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.open()?.closed = true;
        Ok(())
    }
}
