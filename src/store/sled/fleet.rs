//! What the writer remembers of a fleet between two commits.

use super::{
    changes::Changes,
    layout::{Delta, Manifest, Record, Sum},
    retention::Kept,
};
use crate::{model::Revision, store::Head};

/// A chain of deltas is at most this long, so that reading a revision takes a bounded number of reads.
const LONGEST_CHAIN: usize = 256;

/// The deltas that a revision is put together from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Since the last whole manifest.
    pub deltas: usize,
    /// Entries in them.
    pub changes: usize,
}

/// One fleet, as of its head.
pub(super) struct Fleet {
    /// Every entry of the head.
    pub manifest: Manifest,
    /// Of the manifest.
    sum: Sum,
    chain: Chain,
    /// Every revision that is stored, oldest first.
    pub kept: Vec<Kept>,
    /// At how many of them to think about dropping some.
    pub plan_at: usize,
}

/// A revision that is about to be written.
pub(super) struct Next {
    /// Its record.
    pub record: Record,
    /// What is stored of its entries: what changed, or everything.
    pub delta: Delta,
    changes: Delta,
    sum: Sum,
    chain: Chain,
}

impl Fleet {
    /// A fleet as it was read.
    pub fn new(manifest: Manifest, chain: Chain, kept: Vec<Kept>) -> Self {
        Self {
            sum: Sum::of(&manifest),
            manifest,
            chain,
            kept,
            plan_at: 0,
        }
    }

    /// A fleet that begins.
    pub fn empty() -> Self {
        Self::new(Manifest::new(), Chain::default(), Vec::new())
    }

    /// `head`, as it follows `base` once these changes are made.
    pub fn next(&self, base: Option<Revision>, head: &Head, changes: &Changes) -> Next {
        let mut sum = self.sum;
        let mut entries = self.manifest.len();
        for (key, digest) in &changes.delta.changes {
            if let Some(old) = self.manifest.get(key) {
                sum.toggle(key, old);
                entries -= 1;
            }
            if let Some(digest) = digest {
                sum.toggle(key, digest);
                entries += 1;
            }
        }
        let changes = Delta {
            base,
            changes: changes.delta.changes.clone(),
        };
        let chain = Chain {
            deltas: self.chain.deltas + 1,
            changes: self.chain.changes + changes.changes.len(),
        };
        // Written once as many entries have changed as there are, a whole manifest doubles the cost of a change at most.
        let whole = base.is_none() || chain.deltas > LONGEST_CHAIN || chain.changes > entries;
        let types = head.snapshot.types();
        Next {
            record: Record {
                meta: head.meta.clone(),
                types: types.map(|set| (set.type_url, set.changed_in)).collect(),
                sum: sum.digest(),
                entries,
            },
            delta: if whole {
                let mut manifest = self.manifest.clone();
                changes.clone().apply(&mut manifest);
                Delta::whole(&manifest)
            } else {
                changes.clone()
            },
            chain: if whole { Chain::default() } else { chain },
            changes,
            sum,
        }
    }

    /// It is written: it is the head now.
    pub fn advance(&mut self, next: Next) {
        self.kept.push(Kept::of(&next.record.meta));
        next.changes.apply(&mut self.manifest);
        self.sum = next.sum;
        self.chain = next.chain;
    }
}
