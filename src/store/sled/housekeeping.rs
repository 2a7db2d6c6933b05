//! What can wait: dropping old revisions, and sweeping content that no revision has any more. Done in small slices
//! between commits, so that no commit waits for more than one slice.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    mem,
};

use super::{
    chore::Chore,
    fault::Fault,
    layout::{Delta, operation_key, revision_key},
    retention::{plan, services, slack},
    tables::Batches,
    writer::Writer,
};
use crate::{
    model::{Name, Revision},
    snapshot::Digest,
    store::Head,
};

/// Deltas that are read, or blobs that are looked at, in one slice: about a millisecond's work.
const SLICE: usize = 64;

impl Writer {
    /// Looks whether any fleet has too many revisions.
    pub fn begin_chores(&mut self) {
        for fleet in self.shared.heads.fleets() {
            if let Some(head) = self.shared.heads.get(&fleet) {
                self.begin_chore(&head);
            }
        }
    }

    /// Looks whether a fleet has too many revisions.
    pub fn begin_chore(&mut self, head: &Head) {
        let limit = self.history_limit;
        let slack = slack(limit);
        let Some(fleet) = self.fleets.get_mut(&head.meta.fleet) else {
            return;
        };
        if !self.chore.is_done() || fleet.kept.len() < fleet.plan_at.max(limit + slack) {
            return;
        }
        let drop = plan(&fleet.kept, &services(&head.state), limit);
        // Where most are protected, the next look is due when there is something new to drop.
        fleet.plan_at = (fleet.kept.len() - drop.len()).max(limit) + slack;
        let mut runs = VecDeque::new();
        let mut run = Vec::new();
        for kept in &fleet.kept {
            if drop.contains(&kept.revision) {
                run.push(kept.revision);
            } else if !run.is_empty() {
                runs.push_back((mem::take(&mut run), kept.revision));
            }
        }
        if !runs.is_empty() {
            self.chore = Chore::Drop(head.meta.fleet.clone(), runs);
        }
    }

    /// Does one slice.
    pub fn do_chore(&mut self) {
        let chore = mem::take(&mut self.chore);
        match self.guarded_chore(chore) {
            Ok(chore) => self.chore = chore,
            // Old revisions that can't be read stay as they are; the head is not concerned.
            Err(fault) => tracing::warn!(?fault, "old revisions can't be dropped"),
        }
    }

    fn guarded_chore(&mut self, chore: Chore) -> Result<Chore, Fault> {
        match chore {
            Chore::Done => Ok(Chore::Done),
            Chore::Drop(fleet, mut runs) => {
                let tables = self.tables.clone();
                let Some(_chains) = tables.rechaining() else {
                    // Somebody reads history.
                    return Ok(Chore::Drop(fleet, runs));
                };
                match runs.pop_front() {
                    Some((run, after)) => {
                        self.drop_run(&fleet, &run, after)?;
                        Ok(Chore::Drop(fleet, runs))
                    }
                    None => Ok(self.mark_all()),
                }
            }
            Chore::Mark { mut left, mut used } => {
                for (fleet, revision) in left.drain(left.len().saturating_sub(SLICE)..) {
                    let delta = super::guard::guard(|| self.tables.delta(&fleet, revision))?;
                    used.extend(delta.changes.values().flatten());
                }
                Ok(if left.is_empty() {
                    let from = Vec::new();
                    Chore::Sweep { used, from }
                } else {
                    Chore::Mark { left, used }
                })
            }
            Chore::Sweep { used, from } => self.sweep(used, &from),
        }
    }

    /// Drops revisions that follow each other; the one after them takes their changes over.
    fn drop_run(&mut self, fleet: &Name, run: &[Revision], after: Revision) -> Result<(), Fault> {
        let batches = super::guard::guard(|| self.plan_run(fleet, run, after))?;
        self.guarded(|writer| writer.tables.write(&batches))?;
        self.dirty = true;
        let dropped: BTreeSet<&Revision> = run.iter().collect();
        if let Some(fleet) = self.fleets.get_mut(fleet) {
            fleet.kept.retain(|kept| !dropped.contains(&kept.revision));
        }
        Ok(())
    }

    fn plan_run(&self, fleet: &Name, run: &[Revision], after: Revision) -> Result<Batches, Fault> {
        let tables = &self.tables;
        let mut batches = Batches::default();
        let mut merged: Option<Delta> = None;
        for revision in run.iter().chain([&after]) {
            let delta = tables.delta(fleet, *revision)?;
            merged = Some(match merged {
                Some(before) if delta.base.is_some() => before.then(delta),
                _ => delta,
            });
        }
        for revision in run {
            let key = revision_key(fleet, *revision);
            if let Some((record, _)) = tables.record(fleet, *revision)? {
                let operation = operation_key(fleet, &record.meta.operation_id);
                // The same id may have made a later revision, too.
                if tables.operations.get(&operation)?.as_deref() == Some(&revision.0.to_be_bytes())
                {
                    tables
                        .operations
                        .remove(&mut batches.operations, &operation)?;
                }
            }
            tables.records.remove(&mut batches.records, &key)?;
            tables.deltas.remove(&mut batches.deltas, &key)?;
            tables.notes.remove(&mut batches.notes, &key)?;
        }
        if let Some(delta) = merged {
            let key = revision_key(fleet, after);
            tables
                .deltas
                .put(&mut batches.deltas, &key, &delta.encode())?;
        }
        Ok(batches)
    }

    fn mark_all(&self) -> Chore {
        let fleets = self.fleets.iter();
        let left = fleets.flat_map(|(name, fleet)| {
            let kept = fleet.kept.iter();
            kept.map(move |kept| (name.clone(), kept.revision))
        });
        Chore::Mark {
            left: left.collect(),
            used: HashSet::new(),
        }
    }

    fn sweep(&mut self, used: HashSet<Digest>, from: &[u8]) -> Result<Chore, Fault> {
        let mut batches = Batches::default();
        let mut next = None;
        super::guard::guard(|| {
            for (seen, key) in self.tables.blobs.keys(&[], from).enumerate() {
                let key = key?;
                if seen == SLICE {
                    next = Some(key);
                    break;
                }
                let digest = <[u8; 32]>::try_from(key.as_slice()).map(Digest::from_bytes);
                if !digest.is_ok_and(|digest| used.contains(&digest)) {
                    self.tables.blobs.remove(&mut batches.blobs, &key)?;
                }
            }
            Ok(())
        })?;
        self.guarded(|writer| writer.tables.write(&batches))?;
        self.dirty = true;
        if let Some(from) = next {
            return Ok(Chore::Sweep { used, from });
        }
        // Another fleet may have grown too long meanwhile.
        self.begin_chores();
        Ok(mem::take(&mut self.chore))
    }
}
