//! The user's own Envoy resources: from proto3 JSON to encoded messages, with splits put in where they name a service.

mod decode;
mod error;
mod json;
mod locate;
mod preview;
mod split;
mod wrapper;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

pub use error::{RawError, RawProblem};

use super::{Resource, ServiceInput};
use crate::model::{Name, ResourceSet, TypeUrl};

/// What begins the name of a cluster that stands for a service's split: `service:NAME`.
const SERVICE: &str = "service:";

/// A set of resources, encoded, and what its author should know.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) resources: Vec<Arc<Resource>>,
    /// One line each.
    pub(super) warnings: Vec<String>,
}

/// Encodes those resources of a set that are picked by what the user wrote.
///
/// # Errors
/// The first of them that can't be used, with the place in it.
pub(super) fn encode(
    set: &Name,
    resources: &ResourceSet,
    services: &BTreeMap<Name, Arc<ServiceInput>>,
    pick: impl Fn(&Value) -> bool,
) -> Result<Encoded, Box<RawError>> {
    let mut encoded = Encoded::default();
    let mut seen = BTreeSet::new();
    let picked = resources.resources.iter().enumerate();
    for (index, value) in picked.filter(|(_, value)| pick(value)) {
        let place = error::Place { set, index, value };
        let (resource, warnings) = decode::resource(&place, services)?;
        if !seen.insert((resource.type_url, resource.name.clone())) {
            return Err(place.error(RawProblem::Twice));
        }
        encoded.resources.push(resource);
        encoded.warnings.extend(warnings);
    }
    Ok(encoded)
}

/// The types and names of a set's resources, read without decoding them. Resources without are left out.
pub(super) fn names(resources: &ResourceSet) -> impl Iterator<Item = (TypeUrl, &str)> {
    resources.resources.iter().filter_map(identity)
}

/// The type and name of a resource, read without decoding it.
pub(super) fn identity(value: &Value) -> Option<(TypeUrl, &str)> {
    Some((type_of(value)?, name_of(value)?))
}

/// Whether a resource may name the split of one of these services, so that it has to be built again where that changes.
pub(super) fn names_any(value: &Value, services: &BTreeSet<&Name>) -> bool {
    match value {
        Value::String(text) => text
            .strip_prefix(SERVICE)
            .is_some_and(|name| services.iter().any(|service| service.as_str() == name)),
        Value::Array(items) => items.iter().any(|item| names_any(item, services)),
        Value::Object(fields) => fields.values().any(|field| names_any(field, services)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn type_of(value: &Value) -> Option<TypeUrl> {
    TypeUrl::from_url(wrapper::inner(value).get("@type")?.as_str()?)
}

/// A load assignment has the name of its cluster, everything else a name of its own.
fn name_of(value: &Value) -> Option<&str> {
    let value = wrapper::inner(value);
    ["name", "cluster_name", "clusterName"]
        .iter()
        .find_map(|field| value.get(field)?.as_str())
}

#[cfg(test)]
mod tests;
