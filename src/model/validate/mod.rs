//! What a declaration must keep to beyond its types; Envoy would accept some of it, and then serve nobody.

mod duration;
mod fleet;
mod group;
mod grpc;
mod host;
mod release;
mod resources;
mod service;
#[cfg(test)]
mod tests;

pub use duration::MAX_DURATION;
pub use fleet::{DuplicateDocument, FleetConflict, unique_documents, validate_fleet};
pub use group::validate_group;
pub use release::MAX_STEPS;
pub use resources::validate_resources;
pub use service::{
    MAX_ATTEMPTS, MAX_VERSION, endpoints_problem, validate_service, version_problem,
};

use super::path::Path;

/// One thing that makes a declaration unusable: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Invalid {
    /// The field, e.g. `spec.routes[0].match.prefix`.
    pub path: Path,
    /// What is wrong and what to write instead, on one line.
    pub problem: String,
}

/// The problems found so far.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Invalid>);

impl Findings {
    pub(super) fn add(&mut self, path: Path, problem: impl Into<String>) {
        self.0.push(Invalid {
            path,
            problem: problem.into(),
        });
    }
}
