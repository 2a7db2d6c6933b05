//! Going on from an older revision, because the operator said so (`--accept-older`).
//!
//! What was lost may be in proxies still, under its numbers. So the old content comes back as a new revision, beyond all
//! that were answered for, in which every type counts as changed: revisions only grow, and no version stands for two
//! contents.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    fault::Fault,
    fleet::{Chain, Fleet},
    guard::guard,
    head_file::Answered,
    layout::{Manifest, revision_key},
    read::Loaded,
    tables::Batches,
    writer::Writer,
};
use crate::{
    model::{Name, Revision},
    snapshot::{Snapshot, TypeSet},
    store::{CommitError, CommitKind, Head, RevisionMeta, StoreError},
};

/// How far to jump where `HEAD` can't tell how many revisions there were. A damaged sled was seen to lose some fifty.
const JUMP: u64 = 1_000;

/// The newest revision of a fleet that is whole, and its place among them; None: there is none.
pub(super) type Newest = Option<(usize, Loaded)>;

/// Makes the newest revision that is whole the newest one again.
pub(super) fn go_on(
    writer: &mut Writer,
    fleet: Name,
    revisions: &[Revision],
    answered: Option<Answered>,
    newest_whole: Newest,
) -> Result<(), StoreError> {
    let newest = revisions.last().copied().unwrap_or_default();
    let last = match answered {
        Some(answered) => newest.max(answered.revision),
        None => Revision(newest.0.saturating_add(JUMP)),
    };
    let Some((at, loaded)) = newest_whole else {
        if !revisions.is_empty() {
            let detail = format!("no revision of fleet {fleet} is whole");
            return Err(Fault::Damaged(detail).at(&writer.dir));
        }
        // Nothing is left of it. Its proxies go on with what they have, its numbers are not used again.
        tracing::warn!(%fleet, revision = last.0, "nothing is left of this fleet: it begins anew");
        let answered = Answered {
            revision: last,
            record: None,
        };
        writer.answers.insert(fleet, answered);
        return Ok(());
    };
    let (whole, broken) = revisions.split_at(at + 1);
    forget(writer, &fleet, broken).map_err(|fault| fault.at(&writer.dir))?;
    let old = loaded.head;
    let new = as_new(&old, last);
    tracing::warn!(%fleet, from = old.meta.revision.0, to = new.meta.revision.0, "{}", new.meta.what);
    let kept = writer.kept(&fleet, whole);
    // An empty manifest: the new revision is written whole, and needs none of the old ones.
    writer
        .fleets
        .insert(fleet, Fleet::new(Manifest::new(), Chain::default(), kept));
    match writer.append(None, new, writer.epoch) {
        Ok(_) => Ok(()),
        Err(CommitError::Store(error) | CommitError::Unknown(error)) => Err(error),
        Err(error) => Err(Fault::Io(std::io::Error::other(error)).at(&writer.dir)),
    }
}

/// Looks for it. One that a newer version has written is whole, though it can't be read here: it must not be given up.
pub(super) fn newest_whole(
    writer: &Writer,
    fleet: &Name,
    revisions: &[Revision],
) -> Result<Newest, StoreError> {
    for (at, revision) in revisions.iter().enumerate().rev() {
        match guard(|| writer.tables.load(fleet, *revision)) {
            Ok(Some(loaded)) => return Ok(Some((at, loaded))),
            Err(fault @ Fault::Unfamiliar(_)) => return Err(fault.at(&writer.dir)),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(None)
}

/// Newer ones that are not whole: they would be in the way.
fn forget(writer: &mut Writer, fleet: &Name, broken: &[Revision]) -> Result<(), Fault> {
    writer.guarded(|writer| {
        let mut batches = Batches::default();
        for revision in broken {
            let key = revision_key(fleet, *revision);
            writer.tables.records.remove(&mut batches.records, &key)?;
            writer.tables.deltas.remove(&mut batches.deltas, &key)?;
            writer.tables.notes.remove(&mut batches.notes, &key)?;
        }
        writer.tables.write(&batches)
    })
}

fn as_new(old: &Head, last: Revision) -> Head {
    let fleet = old.meta.fleet.clone();
    let from = old.meta.revision;
    let revision = last.next();
    let sets = old
        .snapshot
        .types()
        .map(|set| TypeSet::new(set.type_url, revision, set.resources.clone()));
    let now = Timestamp::now();
    Head {
        meta: RevisionMeta {
            revision,
            arrived_at: now,
            at: now,
            actor: "bluegreen".to_owned(),
            actor_verified: true,
            kind: CommitKind::Change,
            command: "recover".to_owned(),
            what: format!("went on from revision {from}: what came after it was lost"),
            why: "started with --accept-older".to_owned(),
            operation_id: String::new(),
            fingerprint: String::new(),
            services: Vec::new(),
            waived: Vec::new(),
            changes: (0, 0, 0),
            watch: serde_json::Value::Null,
            notes: Vec::new(),
            fleet: fleet.clone(),
        },
        state: Arc::clone(&old.state),
        snapshot: Arc::new(Snapshot::restore(fleet, revision, sets)),
        durable_at: None,
    }
}
