//! The documents of a command, as they were read.

use serde_json::Value;

use crate::model::{GroupSpec, Name, ResourceSet, ServiceSpec};

/// Documents of one fleet.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// `kind: Service`.
    pub services: Vec<Declared<ServiceSpec>>,
    /// `kind: EnvoyResources`.
    pub resources: Vec<Declared<ResourceSet>>,
    /// `kind: Group`.
    pub groups: Vec<Declared<GroupSpec>>,
}

/// One document as it was read.
#[derive(Clone, Debug)]
pub struct Declared<T> {
    /// `metadata.name`.
    pub name: Name,
    /// `spec`, parsed.
    pub spec: T,
    /// `spec` as it was written: the base of the next three-way merge.
    pub applied: Value,
}
