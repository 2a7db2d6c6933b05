//! The user's own Envoy resources: from proto3 JSON to encoded messages, with splits put in where they name a service.

mod decode;
mod error;
mod identity;
mod json;
mod known;
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
pub(super) use identity::{identity, names, names_any};
pub(super) use known::dialled;

use super::{Resource, ServiceInput};
use crate::model::{Name, ResourceSet};

/// A set of resources, encoded, and what its author should know.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) resources: Vec<Arc<Resource>>,
    /// One line each.
    pub(super) warnings: Vec<String>,
}

/// Encodes those resources of a set that are picked by what the user wrote; `dialled` are the route configurations of gRPC clients.
///
/// # Errors
/// The first of them that can't be used, with the place in it.
pub(super) fn encode(
    set: &Name,
    resources: &ResourceSet,
    services: &BTreeMap<Name, Arc<ServiceInput>>,
    dialled: &BTreeSet<&str>,
    pick: impl Fn(&Value) -> bool,
) -> Result<Encoded, Box<RawError>> {
    let mut encoded = Encoded::default();
    let mut seen = BTreeSet::new();
    let picked = resources.resources.iter().enumerate();
    for (index, value) in picked.filter(|(_, value)| pick(value)) {
        let place = error::Place { set, index, value };
        let (resource, warnings) = decode::resource(&place, services, dialled)?;
        if !seen.insert((resource.type_url, resource.name.clone())) {
            return Err(place.error(RawProblem::Twice));
        }
        encoded.resources.push(resource);
        encoded.warnings.extend(warnings);
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests;
