//! PURE. From what is declared to Envoy resources: building, digests, diffs, reference checks.

mod build;
mod check;
mod choice;
mod cluster_fields;
mod diff;
mod digest;
mod dynamic;
mod input;
mod raw;
mod references;
mod referring;
mod resource;
mod show;
mod snapshot_set;
mod variant;
mod view;
mod wire;

pub use build::{BuildError, Built, build, cluster_name, rebuild};
pub use check::{Problem, Severity, check, check_since};
pub use choice::Choice;
pub use diff::{Change, ChangeKind, diff, only_routes_differ};
pub use digest::Digest;
pub use input::{Input, Preview, ServiceInput, Shadow};
pub use raw::{RawError, RawProblem};
pub use references::{EVERYTHING, References};
pub use referring::references_of;
pub use resource::Resource;
pub use show::{change_text, to_json, to_yaml};
pub use snapshot_set::{Changes, Snapshot, TypeSet};
pub use variant::{ready_part, with_splits_of};
pub use view::{CLAIMS_REMEMBERED, Item, Items, Released, Since, View, weight};
