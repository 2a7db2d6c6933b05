//! What a client says that it has of an earlier stream.

use std::collections::BTreeMap;

use super::version;
use crate::model::Revision;

/// What the first request of a type says that the client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presented {
    /// `version_info`.
    Version(String),
    /// `initial_resource_versions`.
    Versions(BTreeMap<String, String>),
}

impl Presented {
    /// The newest revision that it shows; None if it shows none of ours.
    pub(super) fn revision(&self) -> Option<Revision> {
        match self {
            Self::Version(shown) => version::revision(shown),
            Self::Versions(shown) => {
                let revisions = shown.values().map(|shown| version::revision(shown));
                revisions.max().flatten()
            }
        }
    }
}
