//! Where the writer is with what can wait.

use std::collections::{HashSet, VecDeque};

use crate::{
    model::{Name, Revision},
    snapshot::Digest,
};

/// Where the writer is with what can wait.
#[derive(Default)]
pub(super) enum Chore {
    /// Nothing to do.
    #[default]
    Done,
    /// Dropping runs of revisions of a fleet: the dropped, and the one after them.
    Drop(Name, VecDeque<(Vec<Revision>, Revision)>),
    /// Finding the content that is in use, of every kept revision.
    Mark {
        left: Vec<(Name, Revision)>,
        used: HashSet<Digest>,
    },
    /// Removing the rest, from this key on.
    Sweep {
        used: HashSet<Digest>,
        from: Vec<u8>,
    },
}

impl Chore {
    /// Nothing to do.
    pub fn is_done(&self) -> bool {
        matches!(self, Chore::Done)
    }

    /// A commit uses this content, whatever was found so far.
    pub fn spare(&mut self, blobs: &[Digest]) {
        if let Chore::Mark { used, .. } | Chore::Sweep { used, .. } = self {
            used.extend(blobs);
        }
    }
}
