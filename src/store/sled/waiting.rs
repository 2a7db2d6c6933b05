//! What waits in memory for room on a full disk, as readers see it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    fleet::RosterEntry,
    model::{Name, Revision},
    release::ReleaseRecord,
    store::RevisionMeta,
};

/// The lines that were added to revisions of one fleet.
pub(super) type Notes = BTreeMap<Revision, Vec<String>>;

/// The records of a service's releases, by number.
pub(super) type Releases = BTreeMap<u64, Arc<ReleaseRecord>>;

/// As much as happens while nothing but rollbacks is let through.
#[derive(Clone, Default)]
pub(super) struct Waiting {
    pub notes: BTreeMap<Name, Notes>,
    pub rosters: BTreeMap<Name, Vec<RosterEntry>>,
    pub releases: BTreeMap<(Name, Name), Releases>,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.rosters.is_empty() && self.releases.is_empty()
    }

    /// The notes of a fleet. They are taken before what is stored is read, and added to that: so none is missed that is written in between.
    pub fn notes(&self, fleet: &Name) -> Notes {
        self.notes.get(fleet).cloned().unwrap_or_default()
    }

    /// A fleet's roster, if one waits that is newer than the stored one.
    pub fn roster(&self, fleet: &Name) -> Option<Vec<RosterEntry>> {
        self.rosters.get(fleet).cloned()
    }

    /// The records of a service's releases that are newer than the stored ones.
    pub fn releases(&self, fleet: &Name, service: &Name) -> Releases {
        let key = (fleet.clone(), service.clone());
        self.releases.get(&key).cloned().unwrap_or_default()
    }
}

/// Adds the notes of a revision to what was read of it; one that has been written meanwhile is in both.
pub(super) fn add(notes: &Notes, meta: &mut RevisionMeta) {
    for note in notes.get(&meta.revision).into_iter().flatten() {
        if !meta.notes.contains(note) {
            meta.notes.push(note.clone());
        }
    }
}
