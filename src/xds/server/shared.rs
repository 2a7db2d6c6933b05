//! What the streams of all services share.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tonic::Status;

use super::{directory::Directory, options::Options, told::Told};
use crate::{model::Name, xds::session::Cache};

/// Fleets whose streams' memory is kept although no stream is open; past it only those with streams are. A client can
/// name any fleet.
const CACHES_KEPT: usize = 1_000;

/// Why clients are refused is logged again after so long, if they still are.
const REFUSED_AGAIN: Duration = Duration::from_secs(600);

/// What the streams of all services share.
pub(super) struct Shared {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) options: Options,
    /// What the log has already.
    pub(super) told: Told,
    began: Instant,
    caches: Mutex<BTreeMap<Name, Arc<Cache>>>,
}

impl Shared {
    pub(super) fn new(directory: Arc<dyn Directory>, options: Options) -> Self {
        Self {
            directory,
            options,
            told: Told::default(),
            began: Instant::now(),
            caches: Mutex::default(),
        }
    }

    /// A client was not taken as a proxy. It comes again and again, and others like it do: the log has it now and then.
    pub(super) fn refused(&self, peer: SocketAddr, why: &Status) {
        self.options.meters.refused(why.code());
        let again = self.began.elapsed().as_secs() / REFUSED_AGAIN.as_secs();
        if self.told.is_news(("refused", why.message(), again)) {
            tracing::warn!(%peer, why = why.message(), "a proxy is refused; others for the same reason are counted in /metrics");
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
