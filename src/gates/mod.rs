//! Checks that stand before a switch: does the target answer at all?

mod probe;
pub mod stats;

pub use probe::{ProbeError, ProbeOptions, ProbeTarget, Unreachable, probe};
