//! A snapshot in the making.

use std::sync::Arc;

use crate::{
    model::TypeUrl,
    snapshot::{Changes, Resource, Snapshot},
};

/// What is to be put and removed, by type and name.
pub(super) struct Draft<'a> {
    pub(super) previous: &'a Snapshot,
    pub(super) sets: Changes,
}

impl Draft<'_> {
    pub(super) fn put(&mut self, resource: Arc<Resource>) {
        self.sets
            .entry(resource.type_url)
            .or_default()
            .insert(resource.name.clone(), Some(resource));
    }

    /// Takes a resource away, unless another part of the build puts one of that name.
    pub(super) fn remove(&mut self, type_url: TypeUrl, name: &str) {
        self.sets
            .entry(type_url)
            .or_default()
            .entry(name.into())
            .or_insert(None);
    }

    pub(super) fn is_new(&self, type_url: TypeUrl, name: &str) -> bool {
        self.previous.resource(type_url, name).is_none()
    }
}
