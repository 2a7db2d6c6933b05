//! What a proxy must have accepted for a revision to have reached it, who has, and what was decided of it.

mod looks;
mod parts;
mod requirement;
mod verdict;
mod watch_record;

pub(in crate::controller) use looks::{Look, Looks, pause};
pub(in crate::controller) use parts::{acks, names_of, standing};
pub use requirement::Touched;
pub(in crate::controller) use requirement::requirement;
pub use verdict::Verdict;
pub(in crate::controller) use verdict::Verdicts;
pub(in crate::controller) use watch_record::WatchRecord;
