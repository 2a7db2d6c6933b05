//! What a resource is, read from what the user wrote without decoding it: its type, its name, and whether it names a split.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::{Name, RESOURCE_WRAPPER, ResourceSet, TypeUrl};

/// What begins the name of a cluster that stands for a service's split: `service:NAME`.
pub(super) const SERVICE: &str = "service:";

pub(super) fn is_wrapper(value: &Value) -> bool {
    value.get("@type").and_then(Value::as_str) == Some(RESOURCE_WRAPPER)
}

/// The resource itself, whether it is wrapped or not.
pub(super) fn inner(value: &Value) -> &Value {
    match value.get("resource") {
        Some(inner) if is_wrapper(value) => inner,
        _ => value,
    }
}

/// The types and names of a set's resources, read without decoding them. Resources without are left out.
pub(in crate::snapshot) fn names(resources: &ResourceSet) -> impl Iterator<Item = (TypeUrl, &str)> {
    resources.resources.iter().filter_map(identity)
}

/// The type and name of a resource, read without decoding it.
pub(in crate::snapshot) fn identity(value: &Value) -> Option<(TypeUrl, &str)> {
    Some((type_of(value)?, name_of(value)?))
}

/// Whether a resource may name the split of one of these services, so that it has to be built again where that changes.
pub(in crate::snapshot) fn names_any(value: &Value, services: &BTreeSet<&Name>) -> bool {
    match value {
        Value::String(text) => text
            .strip_prefix(SERVICE)
            .is_some_and(|name| services.iter().any(|service| service.as_str() == name)),
        Value::Array(items) => items.iter().any(|item| names_any(item, services)),
        Value::Object(fields) => fields.values().any(|field| names_any(field, services)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

pub(super) fn type_of(value: &Value) -> Option<TypeUrl> {
    TypeUrl::from_url(inner(value).get("@type")?.as_str()?)
}

/// A load assignment has the name of its cluster, everything else a name of its own.
pub(super) fn name_of(value: &Value) -> Option<&str> {
    let value = inner(value);
    ["name", "cluster_name", "clusterName"]
        .iter()
        .find_map(|field| value.get(field)?.as_str())
}
