//! PURE. From what is declared to Envoy resources: building, digests, diffs, reference checks.

mod digest;
mod input;
mod resource;
mod snapshot_set;

pub use digest::Digest;
pub use input::{Input, ServiceInput};
pub use resource::{References, Resource};
pub use snapshot_set::{Snapshot, TypeSet};
