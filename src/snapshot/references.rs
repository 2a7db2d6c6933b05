//! What a resource refers to, as it is kept beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::model::TypeUrl;

/// The names that a resource refers to. Stored beside the resource, so that reading it back needs no look inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct References {
    /// Clusters that requests go to: of routes, mirror policies, TCP proxies, aggregate clusters.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub clusters: BTreeSet<Arc<str>>,
    /// Route configurations that a listener asks RDS for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub routes: BTreeSet<Arc<str>>,
    /// The load assignment that an EDS cluster asks for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub endpoints: BTreeSet<Arc<str>>,
    /// Clusters that filters, loggers and tracers call. Such a cluster may also stand in the proxy's bootstrap, which
    /// we don't see.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub helpers: BTreeSet<Arc<str>>,
    /// Secrets that a listener or cluster asks SDS for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<Arc<str>>,
    /// Filters that a listener or cluster asks ECDS for, and has nothing to do without.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub filters: BTreeSet<Arc<str>>,
    /// The same of those that have a default, and are not needed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub spare_filters: BTreeSet<Arc<str>>,
    /// A listener takes its routes from scopes, of which it has all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scoped: bool,
    /// Resources that it has a proxy ask for on a stream of its own, of this server or of another, which we don't see. Of
    /// virtual hosts the name of their route configuration; of scopes, and what they name, [`EVERYTHING`].
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub apart: BTreeSet<(TypeUrl, Arc<str>)>,
    /// How long a request may be open that goes to a cluster, in milliseconds, where that is not Envoy's default; 0: as
    /// long as it likes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub timeouts: BTreeMap<Arc<str>, u64>,
    /// A request's header names the cluster: no check can know whether it is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_header: bool,
}

/// The name in [`References::apart`] that stands for all resources of a type.
pub const EVERYTHING: &str = "*";

/// After this long Envoy ends a request unless its route says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

impl References {
    /// To nothing: one for all.
    pub fn none() -> Arc<Self> {
        static NONE: OnceLock<Arc<References>> = OnceLock::new();
        NONE.get_or_init(Arc::default).clone()
    }

    /// The same for many to hold.
    pub(super) fn shared(self) -> Arc<Self> {
        match self == Self::default() {
            true => Self::none(),
            false => Arc::new(self),
        }
    }

    /// What of a type a proxy asks for on the stream that this came by, once it has this.
    pub(super) fn named_of(&self, type_url: TypeUrl) -> impl Iterator<Item = &Arc<str>> {
        let (names, more) = match type_url {
            TypeUrl::ClusterLoadAssignment => (Some(&self.endpoints), None),
            TypeUrl::RouteConfiguration => (Some(&self.routes), None),
            TypeUrl::Secret => (Some(&self.secrets), None),
            TypeUrl::TypedExtensionConfig => (Some(&self.filters), Some(&self.spare_filters)),
            _ => (None, None),
        };
        names.into_iter().chain(more).flatten()
    }

    /// How long a request that goes to that cluster may be open: zero where Envoy's default holds, the longest duration
    /// there is where nothing ends it.
    pub fn patience(&self, cluster: &str) -> Duration {
        match self.timeouts.get(cluster) {
            None => Duration::ZERO,
            Some(0) => Duration::MAX,
            Some(millis) => Duration::from_millis(*millis),
        }
    }

    /// Remembers how long a request to a cluster may be open, in milliseconds, if that is longer than by default.
    pub(super) fn add_timeout(&mut self, cluster: &str, millis: u64) {
        if millis > 0 && millis <= DEFAULT_TIMEOUT.as_millis() as u64 {
            return;
        }
        let longest = self.timeouts.entry(cluster.into()).or_insert(millis);
        *longest = match (*longest, millis) {
            (0, _) | (_, 0) => 0,
            (known, new) => known.max(new),
        };
    }
}
