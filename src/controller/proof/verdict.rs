//! What the server decided about the revisions that it followed to the proxies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use crate::{controller::sync::lock, model::Revision};

/// Verdicts remembered. Whoever waits for one reads it at once; the rest is in the history.
const REMEMBERED: usize = 256;

/// The end of a revision's watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every proxy of the roster accepted it.
    Delivered,
    /// Rejected by more proxies than allowed, and taken back by this revision.
    Reverted(Revision),
    /// Rejected by more proxies than allowed, and left: the policy is `halt`, or taking it back was not possible.
    Left(String),
}

/// Those of one fleet.
#[derive(Debug, Default)]
pub(in crate::controller) struct Verdicts {
    decided: Mutex<BTreeMap<Revision, Verdict>>,
    /// Revisions that are watched and undecided.
    suspects: Mutex<BTreeSet<Revision>>,
}

impl Verdicts {
    /// What was decided about a revision, if something was since the server started.
    pub fn of(&self, revision: Revision) -> Option<Verdict> {
        lock(&self.decided).get(&revision).cloned()
    }

    /// The revision may be taken back from now on.
    pub fn suspect(&self, revision: Revision) {
        lock(&self.suspects).insert(revision);
    }

    /// The revision is watched no longer.
    pub fn acquit(&self, revision: Revision) {
        lock(&self.suspects).remove(&revision);
    }

    /// The revision to blame for a rejection of `rejected`: the newest at or before it that is undecided; none, if
    /// `rejected` itself was decided on.
    pub fn suspect_of(&self, rejected: Revision) -> Option<Revision> {
        if self.of(rejected).is_some() {
            return None;
        }
        let suspects = lock(&self.suspects);
        suspects.range(..=rejected).next_back().copied()
    }

    /// Records a verdict, which ends the watch.
    pub fn decide(&self, revision: Revision, verdict: Verdict) {
        let mut decided = lock(&self.decided);
        decided.insert(revision, verdict);
        while decided.len() > REMEMBERED {
            decided.pop_first();
        }
        drop(decided);
        self.acquit(revision);
    }
}
