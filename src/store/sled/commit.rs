//! Adding a revision: one sled transaction, a flush, `HEAD`, and only then is it known.

use std::sync::Arc;

use super::{
    blob::json,
    changes::Changes,
    fault::Fault,
    fleet::{Fleet, Next},
    guard::guard,
    head_file::Answered,
    layout::{operation_key, revision_key},
    tables::{Batches, Tables},
    writer::Writer,
};
use crate::{
    model::{Name, Revision},
    snapshot::Digest,
    store::{Commit, CommitError, Head, StoreError},
};

/// A revision that is worked out, and not written yet.
struct Prepared {
    batches: Batches,
    next: Next,
    record: Digest,
    blobs: Vec<Digest>,
}

impl Writer {
    /// Adds a revision as the controller wants it.
    pub fn commit(&mut self, commit: Commit) -> Result<Arc<Head>, CommitError> {
        commit.check()?;
        // A revision that is flushed, but could not be answered for, comes first.
        self.settle().map_err(|fault| self.error(fault))?;
        commit.check_epoch(self.epoch)?;
        let fleet = commit.meta.fleet.clone();
        let head = self.shared.heads.get(&fleet);
        commit.check_expected(head.as_deref(), self.start(&fleet))?;
        self.reserve.admit(commit.uses_reserve)?;
        let epoch = commit.epoch;
        self.append(head.as_deref(), commit.into_head(), epoch)
    }

    /// Where a fleet without a head begins.
    pub fn start(&self, fleet: &Name) -> Revision {
        self.answers
            .get(fleet)
            .filter(|answered| answered.record.is_none())
            .map_or(Revision::ZERO, |answered| answered.revision)
    }

    /// Writes `new` after `old`, flushes, writes `HEAD`, and makes it known: in this order.
    pub fn append(
        &mut self,
        old: Option<&Head>,
        new: Head,
        epoch: u64,
    ) -> Result<Arc<Head>, CommitError> {
        if self.failed {
            return Err(StoreError::Closed.into());
        }
        let prepared =
            guard(|| self.prepare(old, &new, epoch)).map_err(|fault| self.error(fault))?;
        crate::fault::point("store-before-write");
        self.guarded(|writer| {
            writer.tables.write(&prepared.batches)?;
            crate::fault::point("store-before-flush");
            writer.tables.flush()
        })
        .map_err(|fault| CommitError::Unknown(fault.at(&self.dir)))?;
        crate::fault::point("store-after-flush");

        let fleet = new.meta.fleet.clone();
        let answered = Answered {
            revision: new.meta.revision,
            record: Some(prepared.record),
        };
        self.dirty = false;
        self.epoch = self.epoch.max(epoch);
        self.chore.spare(&prepared.blobs);
        self.answers.insert(fleet.clone(), answered);
        self.fleets
            .entry(fleet)
            .or_insert_with(Fleet::empty)
            .advance(prepared.next);
        self.shared.unsettled();
        if let Err(fault) = self.head_file.write(&self.answers) {
            self.unsettled = Some(new);
            return Err(CommitError::Unknown(Fault::from(fault).at(&self.dir)));
        }
        let head = self.make_known(new);
        crate::fault::point("store-after-head");
        self.begin_chore(&head);
        Ok(head)
    }

    fn prepare(&self, old: Option<&Head>, new: &Head, epoch: u64) -> Result<Prepared, Fault> {
        let none = Fleet::empty();
        let fleet = &new.meta.fleet;
        let known = self.fleets.get(fleet).unwrap_or(&none);
        let changes = Changes::between(old, &known.manifest, &new.state, &new.snapshot)?;
        let base = old.map(|old| old.meta.revision);
        let next = known.next(base, new, &changes);

        let tables = &self.tables;
        let mut batches = Batches::default();
        for blob in &changes.blobs {
            if !is_stored(tables, blob.digest, &blob.value) {
                let key = blob.digest.as_bytes();
                tables.blobs.put(&mut batches.blobs, key, &blob.value)?;
            }
        }
        let key = revision_key(fleet, new.meta.revision);
        let record = json(&next.record)?;
        tables.records.put(&mut batches.records, &key, &record)?;
        let delta = next.delta.encode();
        tables.deltas.put(&mut batches.deltas, &key, &delta)?;
        if !new.meta.operation_id.is_empty() {
            let key = operation_key(fleet, &new.meta.operation_id);
            let revision = new.meta.revision.0.to_be_bytes();
            tables
                .operations
                .put(&mut batches.operations, &key, &revision)?;
        }
        if epoch > self.epoch {
            let epoch = epoch.to_be_bytes();
            tables.meta.put(&mut batches.meta, b"epoch", &epoch)?;
        }
        Ok(Prepared {
            batches,
            record: Digest::of(&[&record]),
            blobs: changes.blobs.iter().map(|blob| blob.digest).collect(),
            next,
        })
    }

    fn error(&self, fault: Fault) -> CommitError {
        fault.at(&self.dir).into()
    }
}

/// A damaged one counts as not stored: it is written again.
fn is_stored(tables: &Tables, digest: Digest, value: &[u8]) -> bool {
    matches!(tables.blobs.get(digest.as_bytes()), Ok(Some(stored)) if stored == value)
}
