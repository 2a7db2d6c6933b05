//! The counter of a fleet's configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a fleet's configuration. It only grows; 0 is the fleet before its first commit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The fleet before its first commit.
    pub const ZERO: Revision = Revision(0);

    /// The revision that follows.
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
