//! What one client has, or is to have, of one type: shared by all clients for whom it is the same.
//!
//! A fleet in step is many streams that hold the same few views. What follows from a view (a part of it, how it differs
//! from another, which clusters it names) is worked out by the first stream that asks, and remembered beside it.

mod memo;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;

use self::memo::Memo;
use super::{Choice, Digest, References, Resource, choice::choices};
use crate::model::TypeUrl;

/// Names that clients say and that are in no snapshot are remembered for others up to this many bytes in each view or
/// response: those of a proxy that comes back to a server that knows less. More of them are one client's own, and are
/// forgotten with its stream.
pub const CLAIMS_REMEMBERED: usize = 64 * 1024;

/// What a name takes in memory.
pub fn weight(name: &str) -> usize {
    /// About what a map and its allocator add.
    const OVERHEAD: usize = 64;
    OVERHEAD + name.len()
}

/// A resource as a client has it.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub resource: Arc<Resource>,
    /// The digest of its content; of a load assignment also of the clusters that it was sent for, since a client that
    /// is sent a cluster again waits for the load assignment again.
    pub version: Digest,
}

impl Item {
    fn new(resource: &Arc<Resource>) -> Self {
        Self {
            resource: resource.clone(),
            version: resource.digest,
        }
    }

    /// Something that the client has of an earlier stream, and of which only the version is known here.
    pub fn unknown(type_url: TypeUrl, name: Arc<str>, version: &str) -> Self {
        let mut resource = Resource::sharing(type_url, name, Bytes::new(), References::none());
        resource.digest = Digest::of(&[b"unknown", version.as_bytes()]);
        resource.claimed = true;
        Self::new(&Arc::new(resource))
    }

    /// Its content is known. (No resource with a name encodes to nothing.)
    pub fn is_known(&self) -> bool {
        !self.resource.bytes.is_empty()
    }
}

impl From<Arc<Resource>> for Item {
    fn from(resource: Arc<Resource>) -> Self {
        Self {
            version: resource.digest,
            resource,
        }
    }
}

/// Resources by name.
pub type Items = BTreeMap<Arc<str>, Item>;

/// Clusters that are no longer named, and how long requests may still be open there.
pub type Released = Arc<[(Arc<str>, Duration)]>;

/// How a view differs from another.
#[derive(Debug, Default)]
pub struct Since {
    /// New, or of another version, in order of their names.
    pub changed: Vec<Item>,
    /// No longer there.
    pub removed: Vec<Arc<str>>,
}

impl Since {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

/// Some resources of one type. Immutable; two of one digest are the same.
#[derive(Debug)]
pub struct View {
    /// Of every resource in it.
    pub type_url: TypeUrl,
    /// Of all versions, in order of their names.
    pub digest: Digest,
    /// The shortest time to live in it.
    pub ttl: Option<Duration>,
    /// What the names in it take that are in no snapshot, in bytes.
    claims: usize,
    items: Items,
    named: OnceLock<BTreeMap<Arc<str>, Duration>>,
    endpoints: OnceLock<BTreeMap<Arc<str>, Digest>>,
    choices: OnceLock<BTreeSet<Choice>>,
    apart: OnceLock<BTreeSet<(TypeUrl, Arc<str>)>>,
    /// None: it is itself (which would keep it for ever).
    parts: Memo<Digest, Option<Arc<View>>>,
    awaited: Memo<Digest, Option<Arc<View>>>,
    since: Memo<Digest, Arc<Since>>,
    released: Memo<Digest, Released>,
    waits: Memo<(Digest, Digest), bool>,
    referred: Memo<(Digest, Digest), bool>,
}

impl View {
    /// These resources.
    pub fn new(type_url: TypeUrl, items: Items) -> Self {
        let versions: Vec<&[u8]> = items
            .values()
            .map(|item| item.version.as_bytes().as_slice())
            .collect();
        let claimed = items.iter().filter(|(_, item)| item.resource.claimed);
        Self {
            type_url,
            digest: Digest::of(&versions),
            claims: claimed.map(|(name, _)| weight(name)).sum(),
            ttl: items.values().filter_map(|item| item.resource.ttl).min(),
            items,
            named: OnceLock::new(),
            endpoints: OnceLock::new(),
            choices: OnceLock::new(),
            apart: OnceLock::new(),
            parts: Memo::default(),
            awaited: Memo::default(),
            since: Memo::default(),
            released: Memo::default(),
            waits: Memo::default(),
            referred: Memo::default(),
        }
    }

    /// All of these, as they are.
    pub(super) fn of_all(type_url: TypeUrl, resources: &BTreeMap<Arc<str>, Arc<Resource>>) -> Self {
        let items = resources.iter();
        let items = items.map(|(name, resource)| (name.clone(), Item::new(resource)));
        Self::new(type_url, items.collect())
    }

    /// Nothing of that type; one for all.
    pub fn none(type_url: TypeUrl) -> Arc<View> {
        static NONE: OnceLock<BTreeMap<TypeUrl, Arc<View>>> = OnceLock::new();
        let none = NONE.get_or_init(|| {
            let empty = |type_url| Arc::new(View::new(type_url, Items::new()));
            TypeUrl::ALL
                .map(|type_url| (type_url, empty(type_url)))
                .into()
        });
        match none.get(&type_url) {
            Some(view) => view.clone(),
            None => Arc::new(View::new(type_url, Items::new())),
        }
    }

    /// By name, in order of the names.
    pub fn items(&self) -> &Items {
        &self.items
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Item> {
        self.items.get(name)
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.items.contains_key(name)
    }

    /// It is full of what one client alone has said.
    pub fn is_one_clients(&self) -> bool {
        self.claims > CLAIMS_REMEMBERED
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The part of it that `select` picks. `key` stands for what is picked, whatever the view.
    pub fn part(self: &Arc<Self>, key: Digest, select: impl FnOnce(&Items) -> Items) -> Arc<View> {
        self.derived(&self.parts, key, || select(&self.items))
    }

    /// Load assignments as a client with these clusters has them: each was sent for the clusters that wait for it.
    pub fn awaited_by(self: &Arc<Self>, clusters: &View) -> Arc<View> {
        self.derived(&self.awaited, clusters.digest, || {
            let waiting = clusters.awaited();
            let items = self.items.iter().map(|(name, item)| {
                let mut item = item.clone();
                if let Some(clusters) = waiting.get(name) {
                    let both = [item.version.as_bytes().as_slice(), clusters.as_bytes()];
                    item.version = Digest::of(&both);
                }
                (name.clone(), item)
            });
            items.collect()
        })
    }

    fn derived(
        self: &Arc<Self>,
        memo: &Memo<Digest, Option<Arc<View>>>,
        key: Digest,
        items: impl FnOnce() -> Items,
    ) -> Arc<View> {
        let derived = memo.get(key, || {
            let derived = View::new(self.type_url, items());
            (derived.digest != self.digest).then(|| Arc::new(derived))
        });
        derived.unwrap_or_else(|| self.clone())
    }

    /// The load assignments that these clusters wait for, each with a digest of those clusters.
    fn awaited(&self) -> &BTreeMap<Arc<str>, Digest> {
        self.endpoints.get_or_init(|| {
            let mut waiting: BTreeMap<Arc<str>, Vec<&[u8]>> = BTreeMap::new();
            for cluster in self.items.values() {
                for name in &cluster.resource.references.endpoints {
                    let of_name = waiting.entry(name.clone()).or_default();
                    of_name.push(cluster.version.as_bytes());
                }
            }
            let waiting = waiting.into_iter();
            waiting
                .map(|(name, clusters)| (name, Digest::of(&clusters)))
                .collect()
        })
    }

    /// How it differs from an earlier view.
    pub fn since(&self, before: &View) -> Arc<Since> {
        if self.digest == before.digest {
            return Arc::default();
        }
        if self.is_one_clients() || before.is_one_clients() {
            return Arc::new(self.differs_from(before));
        }
        self.since
            .get(before.digest, || Arc::new(self.differs_from(before)))
    }

    fn differs_from(&self, before: &View) -> Since {
        let changed = self.items.iter().filter(|(name, item)| {
            let known = before.items.get(*name);
            known.is_none_or(|known| known.version != item.version)
        });
        let removed = before.items.keys();
        Since {
            changed: changed.map(|(_, item)| item.clone()).collect(),
            removed: removed
                .filter(|name| !self.items.contains_key(*name))
                .cloned()
                .collect(),
        }
    }

    /// Everything of `other` is in it, in the same version.
    pub fn covers(&self, other: &View) -> bool {
        self.digest == other.digest || other.since(self).changed.is_empty()
    }

    /// Every cluster that something in it sends requests to or calls, and how long a request that went there may be open
    /// ([`References::patience`]).
    pub fn named(&self) -> &BTreeMap<Arc<str>, Duration> {
        self.named.get_or_init(|| {
            let mut named: BTreeMap<Arc<str>, Duration> = BTreeMap::new();
            for item in self.items.values() {
                let references = &item.resource.references;
                for name in references.clusters.iter().chain(&references.helpers) {
                    let patience = references.patience(name);
                    let longest = named.entry(name.clone()).or_default();
                    *longest = patience.max(*longest);
                }
            }
            named
        })
    }

    /// What it has a proxy ask for on streams of their own.
    pub fn apart(&self) -> &BTreeSet<(TypeUrl, Arc<str>)> {
        self.apart.get_or_init(|| {
            let references = self.items.values().map(|item| &item.resource.references);
            references.flat_map(|it| it.apart.iter().cloned()).collect()
        })
    }

    /// Between which clusters its routes choose.
    pub fn choices(&self) -> &BTreeSet<Choice> {
        self.choices.get_or_init(|| {
            let items = self.items.values();
            items.flat_map(|item| choices(&item.resource)).collect()
        })
    }

    /// The clusters that `before` names and this does not, and how long requests may still be open there.
    pub fn released_since(&self, before: &View) -> Released {
        self.released.get(before.digest, || {
            let named = before.named().iter();
            named
                .filter(|(name, _)| !self.named().contains_key(*name))
                .map(|(name, patience)| (name.clone(), *patience))
                .collect()
        })
    }

    /// Whether something in it names a cluster that is `declared` and that `clusters` lacks.
    pub fn lacks_of(&self, clusters: &View, declared: &View) -> bool {
        self.waits.get((clusters.digest, declared.digest), || {
            let mut named = self.named().keys();
            named.any(|name| declared.has(name) && !clusters.has(name))
        })
    }

    /// Whether `has` holds, in the newest content, everything that this refers to and `newest` has. What is to live for a while
    /// may have been said without that.
    pub fn is_served_by(&self, has: &View, newest: &View) -> bool {
        self.referred.get((has.digest, newest.digest), || {
            let held = |name: &Arc<str>| {
                newest.get(name).is_none_or(|newest| {
                    let has = has.get(name).map(|has| has.resource.digest);
                    let newest = &newest.resource;
                    has == Some(newest.digest)
                        || (newest.ttl.is_some() && has == Some(newest.without_ttl().digest))
                })
            };
            let mut references = self.items.values().map(|item| &item.resource.references);
            match newest.type_url {
                TypeUrl::ScopedRouteConfiguration => {
                    !references.any(|it| it.scoped) || newest.items.keys().all(held)
                }
                of => references.all(|it| it.named_of(of).all(held)),
            }
        })
    }
}
