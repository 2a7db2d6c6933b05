//! Revisions on disk: the `Store` trait, and what implements it.
//!
//! What is published to proxies always comes from here ([`Store::watch_head`]), never from the code that committed.

mod check;
mod error;
mod heads;
mod memory;
mod revision;
mod sled;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

pub use error::{CommitError, StoreError};
pub use memory::{LostAnswer, MemoryStore};
pub use revision::{Commit, CommitKind, Head, RevisionMeta, StoredRevision};
pub use sled::{SledOptions, SledStore};

use crate::{
    fleet::RosterEntry,
    model::{Name, Revision},
    release::ReleaseRecord,
};

/// Releases whose record is kept, per service: half a year of weekly ones twice over; some MB where gates keep the answers
/// of language models.
pub const RELEASES_KEPT: usize = 50;

/// Durable history of every fleet's configuration.
///
/// One contract suite (`tests/store/contract.rs`) runs on every implementation.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Adds one revision to a fleet, compare-and-set on the revision before. When it returns `Ok`, the revision is
    /// flushed to disk, and the heads that [`Store::watch_head`] gives out show it.
    ///
    /// After [`CommitError::Unknown`], [`Store::operation`] tells whether it was made.
    async fn commit(&self, commit: Commit) -> Result<Arc<Head>, CommitError>;

    /// The newest revision of a fleet, now and after every commit. `None` until the fleet's first commit.
    fn watch_head(&self, fleet: &Name) -> watch::Receiver<Option<Arc<Head>>>;

    /// Where a fleet without a head begins: what its first commit has to expect. [`Revision::ZERO`], but for a fleet
    /// whose revisions were lost and given up (`--accept-older`): its numbers must not be used again.
    fn start(&self, _fleet: &Name) -> Revision {
        Revision::ZERO
    }

    /// Fleets that have at least one revision.
    fn fleets(&self) -> Vec<Name>;

    /// One revision, whole. `Ok(None)` if it never was, or is no longer kept.
    async fn revision(
        &self,
        fleet: &Name,
        revision: Revision,
    ) -> Result<Option<StoredRevision>, StoreError>;

    /// The records of the newest revisions at or before `from`, newest first, at most `limit`.
    async fn history(
        &self,
        fleet: &Name,
        from: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<RevisionMeta>, StoreError>;

    /// The revision that a command with this operation id made, if it made one that is still kept.
    async fn operation(
        &self,
        fleet: &Name,
        operation_id: &str,
    ) -> Result<Option<RevisionMeta>, StoreError>;

    /// Adds a line to a revision's record: what became known after the commit. Not flushed at once. Heads that were
    /// already given out don't show it. Does nothing if the revision is not kept.
    async fn annotate(
        &self,
        fleet: &Name,
        revision: Revision,
        note: String,
    ) -> Result<(), StoreError>;

    /// Replaces the roster of a fleet. Not flushed at once: losing the last seconds of it is harmless.
    async fn save_roster(&self, fleet: &Name, roster: Vec<RosterEntry>) -> Result<(), StoreError>;

    /// The roster as it was last saved.
    async fn load_roster(&self, fleet: &Name) -> Result<Vec<RosterEntry>, StoreError>;

    /// Keeps the record of a release in place of what was kept of it, and of each service the last [`RELEASES_KEPT`].
    /// Flushed with the next commit or soon after: what a commit says of a release does not need it.
    async fn save_release(&self, record: Arc<ReleaseRecord>) -> Result<(), StoreError>;

    /// The record of a release, if it is kept.
    async fn release(
        &self,
        fleet: &Name,
        service: &Name,
        number: u64,
    ) -> Result<Option<Arc<ReleaseRecord>>, StoreError>;

    /// The records of the releases of a service, newest first, at most `limit`.
    async fn releases(
        &self,
        fleet: &Name,
        service: &Name,
        limit: usize,
    ) -> Result<Vec<Arc<ReleaseRecord>>, StoreError>;

    /// Flushes and closes. Later calls fail.
    async fn close(&self) -> Result<(), StoreError>;
}
