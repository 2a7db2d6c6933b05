//! What the server decided about a revision that it followed to the proxies.

use crate::model::Revision;

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
