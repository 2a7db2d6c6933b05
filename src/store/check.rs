//! What every store asks of a commit before it writes anything.

use super::{Commit, CommitError, Head};
use crate::model::Revision;

impl Commit {
    /// Its parts are about the same fleet and the same revision. Anything else is a bug of the caller, and is
    /// refused, so that it can't become history.
    pub(super) fn check(&self) -> Result<(), CommitError> {
        let new = self.expected.0.checked_add(1).map(Revision);
        let whole = new == Some(self.meta.revision)
            && self.snapshot.revision == self.meta.revision
            && self.snapshot.fleet == self.meta.fleet;
        if whole {
            return Ok(());
        }
        Err(CommitError::Contradiction {
            detail: format!(
                "record {} {}, snapshot {} {}, planned on {}",
                self.meta.fleet,
                self.meta.revision,
                self.snapshot.fleet,
                self.snapshot.revision,
                self.expected
            ),
        })
    }

    /// Its writer is not one that another has taken over from.
    pub(super) fn check_epoch(&self, newest: u64) -> Result<(), CommitError> {
        if self.epoch < newest {
            return Err(CommitError::Fenced {
                epoch: self.epoch,
                newest,
            });
        }
        Ok(())
    }

    /// The fleet is where the commit was planned on; `start` is where a fleet without a head is.
    pub(super) fn check_expected(
        &self,
        head: Option<&Head>,
        start: Revision,
    ) -> Result<(), CommitError> {
        let actual = head.map_or(start, |head| head.meta.revision);
        if self.expected != actual {
            return Err(CommitError::Conflict {
                fleet: self.meta.fleet.clone(),
                expected: self.expected,
                actual,
            });
        }
        Ok(())
    }

    /// The head that it makes.
    pub(super) fn into_head(self) -> Head {
        Head {
            meta: self.meta,
            state: self.state,
            snapshot: self.snapshot,
            durable_at: None,
        }
    }
}
