//! PURE. From what is declared to Envoy resources: building, digests, diffs, reference checks.

mod build;
mod descriptors;
mod diff;
mod digest;
mod input;
mod resource;
mod snapshot_set;
mod variant;
mod wire;

pub use build::{BuildError, Built, build, cluster_name, rebuild};
pub use diff::{Change, ChangeKind, diff, only_routes_differ};
pub use digest::Digest;
pub use input::{Input, ServiceInput};
pub use resource::{References, Resource};
pub use snapshot_set::{Changes, Snapshot, TypeSet};
pub use variant::{with_splits_of, without_clusters};
