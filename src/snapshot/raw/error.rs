//! What can be wrong with a resource that a user wrote, and where.

use std::fmt;

use serde_json::Value;

use super::identity::{SERVICE, name_of, type_of};
use crate::{
    model::{Name, Path},
    text::spaced,
};

/// Longest text of the user's that is quoted: a message is one line that people read.
const MAX_QUOTED: usize = 120;

/// A resource that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("EnvoyResources {set}, {}: {problem}", place(.index, .resource, .path))]
pub struct RawError {
    /// The document.
    pub set: Name,
    /// The position in its `resources`, from 0.
    pub index: usize,
    /// `TYPE NAME`, as far as they could be read.
    pub resource: String,
    /// Where in the resource.
    pub path: Path,
    /// What is wrong there.
    #[source]
    pub problem: RawProblem,
}

fn place(index: &usize, resource: &str, path: &Path) -> String {
    let mut place = format!("resources[{index}]");
    if !resource.is_empty() {
        place = format!("{place} ({resource})");
    }
    if !path.is_empty() {
        place = format!("{place} at {path}");
    }
    place
}

/// What is wrong with a resource.
#[derive(Debug, thiserror::Error)]
pub enum RawProblem {
    /// Something else than a mapping.
    #[error("a resource is a mapping with @type and the fields of that type")]
    NoMapping,
    /// The type is not said.
    #[error(
        "no @type: write the resource's type, e.g. type.googleapis.com/envoy.config.cluster.v3.Cluster"
    )]
    NoType,
    /// The type is none that is served to proxies by itself.
    #[error("{found} is no resource type that Envoys ask a control plane for{}; the types are {served}", meant(.suggestion))]
    UnknownType {
        /// As written.
        found: String,
        /// The type that looks like it.
        suggestion: Option<String>,
        /// All types.
        served: String,
    },
    /// A message inside is of a type that Envoy's API does not have.
    #[error(
        "{0} is no message of Envoy's API: look for a typing error, or for an extension that is not part of Envoy"
    )]
    UnknownMessage(String),
    /// A message inside says no type.
    #[error("no @type: this is a message of any type, so it has to say which")]
    NoMessageType,
    /// The type has no such field.
    #[error("unknown field{}", meant(.suggestion))]
    UnknownField {
        /// The field that looks like it.
        suggestion: Option<String>,
    },
    /// A value that its field can't have.
    #[error("{0}")]
    Value(String),
    /// A resource that nothing can ask for.
    #[error("no name: every resource needs one (a ClusterLoadAssignment its cluster_name)")]
    NoName,
    /// Two of one type and name in one document.
    #[error("there are two of this type and name: rename or remove one")]
    Twice,
    /// `service:NAME` names no service of the fleet.
    #[error("{SERVICE}{name} names no service of this fleet{}: apply the service in the same go, or before", meant(.suggestion), SERVICE = SERVICE)]
    UnknownService {
        /// As written.
        name: String,
        /// The service that looks like it.
        suggestion: Option<String>,
    },
    /// `service:NAME/COLOUR`.
    #[error("{SERVICE} stands for both environments: to name one, write {0}", SERVICE = SERVICE)]
    OneEnvironment(String),
    /// `service:NAME` where a cluster gets a share of the requests only.
    #[error("the split of a service can't be a share of another one: write {SERVICE}{0} as the route's cluster, or name {0}/blue and {0}/green with weights of your own", SERVICE = SERVICE)]
    Share(String),
    /// `service:NAME` where a single cluster is needed.
    #[error("{SERVICE}{0} can only be the cluster of a route: here name {0}/blue or {0}/green", SERVICE = SERVICE)]
    NotOfARoute(String),
    /// `service:NAME` in a route that is part of a listener.
    #[error("a route to {SERVICE}{0} must be in a RouteConfiguration that the listener asks for by rds: a switch would have to change this {1}, and a changed listener drains its connections", SERVICE = SERVICE)]
    Inline(String, &'static str),
}

fn meant(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map(|meant| format!(", did you mean {meant}?"))
        .unwrap_or_default()
}

/// The resource that is being read.
pub(super) struct Place<'a> {
    pub(super) set: &'a Name,
    pub(super) index: usize,
    pub(super) value: &'a Value,
}

impl Place<'_> {
    /// An error of the resource as a whole.
    pub(super) fn error(&self, problem: RawProblem) -> Box<RawError> {
        self.error_at(Path::default(), problem)
    }

    /// An error at that place in the resource.
    pub(super) fn error_at(&self, path: Path, problem: RawProblem) -> Box<RawError> {
        let label = [
            type_of(self.value).map(|type_url| type_url.short().to_owned()),
            name_of(self.value).map(quoted),
        ];
        Box::new(RawError {
            set: self.set.clone(),
            index: self.index,
            resource: label.into_iter().flatten().collect::<Vec<_>>().join(" "),
            path,
            problem,
        })
    }
}

/// Text from outside on one line of bounded length.
pub(super) fn quoted(text: impl fmt::Display) -> String {
    spaced(&text.to_string(), MAX_QUOTED)
}

/// Of some names the one that was probably meant.
pub(super) fn similar<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    /// Below this, two words have too little in common for a guess (Jaro-Winkler).
    const ALIKE: f64 = 0.8;
    names
        .map(|name| (strsim::jaro_winkler(found, name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name.to_owned())
}
