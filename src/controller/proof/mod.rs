//! What a proxy must have accepted for a revision to have reached it, who has, and what was decided of it.

mod looks;
mod requirement;
mod standing;
mod verdict;
mod watch_record;

pub(in crate::controller) use looks::{Look, Looks, pause};
pub use requirement::Touched;
pub(in crate::controller) use requirement::requirement;
pub(in crate::controller) use standing::{names_of, standing};
pub use verdict::Verdict;
pub(in crate::controller) use verdict::Verdicts;
pub(in crate::controller) use watch_record::WatchRecord;
