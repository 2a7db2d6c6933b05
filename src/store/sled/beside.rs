//! What is written beside commits: notes of the history, rosters, records of releases. A full disk is left to rollbacks; until there is
//! room again these are kept in memory, where readers find them, and a server that ends before takes them with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard},
};

use sled::Batch;

use super::{
    blob::json,
    fault::Fault,
    guard::guard,
    layout::{fleet_key, release_key, revision_key},
    tables::{Batches, Tables},
    waiting::Waiting,
    writer::Writer,
};
use crate::{
    fleet::RosterEntry,
    model::{Name, Revision},
    release::ReleaseRecord,
    store::RELEASES_KEPT,
};

impl Writer {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting()
    }

    /// Whether a write can be made now; then what waits has been written before it.
    fn is_free(&mut self) -> Result<bool, Fault> {
        if self.failed {
            return Err(Fault::Closed);
        }
        if self.reserve.has_room() {
            self.catch_up()?;
            return Ok(true);
        }
        if self.waiting().is_empty() {
            tracing::warn!(
                "the disk is full: notes, rosters and records of releases are kept in memory until there is room"
            );
        }
        Ok(false)
    }

    /// Adds a line to a revision.
    pub fn annotate(
        &mut self,
        fleet: &Name,
        revision: Revision,
        note: String,
    ) -> Result<(), Fault> {
        if self.is_free()? {
            return self.write_note(fleet, revision, note);
        }
        let mut waiting = self.waiting();
        let notes = waiting.notes.entry(fleet.clone()).or_default();
        notes.entry(revision).or_default().push(note);
        Ok(())
    }

    /// Keeps a roster in place of the one before.
    pub fn roster(&mut self, fleet: &Name, roster: Vec<RosterEntry>) -> Result<(), Fault> {
        if self.is_free()? {
            return self.write_roster(fleet, &roster);
        }
        self.waiting().rosters.insert(fleet.clone(), roster);
        Ok(())
    }

    /// Keeps the record of a release in place of the one before.
    pub fn release(&mut self, record: Arc<ReleaseRecord>) -> Result<(), Fault> {
        if self.is_free()? {
            return self.write_release(&record);
        }
        let key = (record.fleet.clone(), record.service.clone());
        let mut waiting = self.waiting();
        let releases = waiting.releases.entry(key).or_default();
        releases.insert(record.rollout.number, record);
        Ok(())
    }

    /// Writes what waits, if there is room for it.
    pub fn catch_up(&mut self) -> Result<(), Fault> {
        if self.waiting().is_empty() || !self.reserve.has_room() {
            return Ok(());
        }
        let waiting = self.waiting().clone();
        for (fleet, notes) in waiting.notes {
            for (revision, notes) in notes {
                for note in notes {
                    self.write_note(&fleet, revision, note)?;
                }
            }
        }
        for (fleet, roster) in waiting.rosters {
            self.write_roster(&fleet, &roster)?;
        }
        for record in waiting
            .releases
            .into_values()
            .flat_map(BTreeMap::into_values)
        {
            self.write_release(&record)?;
        }
        *self.waiting() = Waiting::default();
        tracing::info!("there is room on the disk again: what was kept in memory is written");
        Ok(())
    }

    /// The same before the store is closed, with the word that it is lost if there is none.
    pub fn catch_up_at_last(&mut self) -> Result<(), Fault> {
        if !self.failed {
            self.catch_up()?;
        }
        if !self.waiting().is_empty() {
            tracing::warn!(
                "the disk is still full: notes, rosters and records of releases since it is are lost with this server"
            );
        }
        Ok(())
    }

    // What these read may be damaged, and that is no reason not to take commits: only a write that fails is.

    fn write_note(&mut self, fleet: &Name, revision: Revision, note: String) -> Result<(), Fault> {
        let tables = self.tables.clone();
        let planned = guard(|| {
            if tables.record(fleet, revision)?.is_none() {
                return Ok(None);
            }
            let mut notes = tables.notes(fleet, revision)?;
            notes.push(note);
            let mut batches = Batches::default();
            let key = revision_key(fleet, revision);
            tables.notes.put(&mut batches.notes, &key, &json(&notes)?)?;
            Ok(Some(batches))
        })?;
        let Some(batches) = planned else {
            return Ok(());
        };
        self.dirty = true;
        self.guarded(|_| tables.write(&batches))
    }

    fn write_roster(&mut self, fleet: &Name, roster: &[RosterEntry]) -> Result<(), Fault> {
        let tables = self.tables.clone();
        let batch = guard(|| {
            let mut batch = Batch::default();
            let roster = json(&roster)?;
            tables.rosters.put(&mut batch, &fleet_key(fleet), &roster)?;
            Ok(batch)
        })?;
        self.dirty = true;
        self.guarded(|_| Ok(tables.rosters.tree().apply_batch(batch)?))
    }

    fn write_release(&mut self, record: &ReleaseRecord) -> Result<(), Fault> {
        let tables = self.tables.clone();
        let batch = guard(|| with_release(&tables, record))?;
        self.dirty = true;
        self.guarded(|_| Ok(tables.releases.tree().apply_batch(batch)?))
    }
}

/// The record of a release, and without those of the service's that are too many then.
fn with_release(tables: &Tables, record: &ReleaseRecord) -> Result<Batch, Fault> {
    let (fleet, service) = (&record.fleet, &record.service);
    let key = release_key(fleet, service, record.rollout.number);
    let mut batch = Batch::default();
    tables.releases.put(&mut batch, &key, &json(record)?)?;
    let mut kept = tables.release_keys(fleet, service)?;
    kept.retain(|other| *other != key);
    let excess = (kept.len() + 1).saturating_sub(RELEASES_KEPT);
    for oldest in kept.iter().take(excess) {
        tables.releases.remove(&mut batch, oldest)?;
    }
    Ok(batch)
}
