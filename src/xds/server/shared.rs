//! What the streams of all services share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{directory::Directory, options::Options, told::Told};
use crate::{model::Name, xds::session::Cache};

/// Fleets whose streams' memory is kept although no stream is open; past it only those with streams are. A client can
/// name any fleet.
const CACHES_KEPT: usize = 1_000;

/// What the streams of all services share.
pub(super) struct Shared {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) options: Options,
    /// Rejections that the log has already.
    pub(super) told: Told,
    caches: Mutex<BTreeMap<Name, Arc<Cache>>>,
}

impl Shared {
    pub(super) fn new(directory: Arc<dyn Directory>, options: Options) -> Self {
        Self {
            directory,
            options,
            told: Told::default(),
            caches: Mutex::default(),
        }
    }

    /// What the streams of a fleet share.
    pub(super) fn cache(&self, fleet: &Name) -> Arc<Cache> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = caches.get(fleet) {
            return known.clone();
        }
        if caches.len() >= CACHES_KEPT {
            caches.retain(|_, cache| Arc::strong_count(cache) > 1);
        }
        let cache = caches.entry(fleet.clone()).or_default().clone();
        for snapshot in &*self.directory.past(fleet) {
            cache.remember_revision(snapshot);
        }
        cache
    }
}
