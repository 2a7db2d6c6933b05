//! The snapshot: all resources of a fleet at one revision.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use super::{Digest, Resource, View};
use crate::model::{Name, Revision, TypeUrl};

/// All xDS resources of a fleet at one revision. Immutable, cheap to clone: what did not change is shared with the
/// revision before.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The Envoys it is for.
    pub fleet: Name,
    /// The revision it is.
    pub revision: Revision,
    types: BTreeMap<TypeUrl, Arc<TypeSet>>,
}

/// All resources of one type in a snapshot.
#[derive(Clone, Debug)]
pub struct TypeSet {
    /// Of every resource in it.
    pub type_url: TypeUrl,
    /// The revision in which this type last changed.
    pub changed_in: Revision,
    /// Of the names and digests of all resources.
    pub digest: Digest,
    /// By name.
    pub resources: BTreeMap<Arc<str>, Arc<Resource>>,
    view: OnceLock<Arc<View>>,
}

/// Resources to put or (None) to take away, by type and name.
pub type Changes = BTreeMap<TypeUrl, BTreeMap<Arc<str>, Option<Arc<Resource>>>>;

impl TypeSet {
    /// The set of these resources, last changed in that revision.
    pub fn new(
        type_url: TypeUrl,
        changed_in: Revision,
        resources: BTreeMap<Arc<str>, Arc<Resource>>,
    ) -> Self {
        let digests: Vec<&[u8]> = resources
            .values()
            .map(|resource| resource.digest.as_bytes().as_slice())
            .collect();
        Self {
            type_url,
            changed_in,
            digest: Digest::of(&digests),
            resources,
            view: OnceLock::new(),
        }
    }

    /// All of it as a client may have it: made for the first stream that asks, the same for all.
    pub fn view(&self) -> &Arc<View> {
        let all = || Arc::new(View::of_all(self.type_url, &self.resources));
        self.view.get_or_init(all)
    }

    /// `version_info`: `REVISION-DIGEST`, e.g. `43-a1b2c3d4`. It never stands for two contents.
    pub fn version(&self) -> String {
        format!("{}-{}", self.changed_in, self.digest.short())
    }
}

impl Snapshot {
    /// A fleet before its first commit: revision 0, no resources.
    pub fn empty(fleet: Name) -> Self {
        Self {
            fleet,
            revision: Revision::ZERO,
            types: BTreeMap::new(),
        }
    }

    /// The revision after `self`, holding these sets. A set whose content is that of `self` is carried over with its
    /// version; every other counts as changed in the new revision. A type without resources has no set.
    pub fn successor(
        &self,
        revision: Revision,
        sets: impl IntoIterator<Item = (TypeUrl, BTreeMap<Arc<str>, Arc<Resource>>)>,
    ) -> Self {
        let mut types = BTreeMap::new();
        for (type_url, resources) in sets {
            let set = TypeSet::new(type_url, revision, resources);
            let kept = self
                .types
                .get(&type_url)
                .filter(|old| old.digest == set.digest);
            match kept {
                Some(old) => types.insert(type_url, old.clone()),
                // An emptied type stays as an empty set: its version has to move on.
                None if set.resources.is_empty() && !self.types.contains_key(&type_url) => None,
                None => types.insert(type_url, Arc::new(set)),
            };
        }
        for (type_url, old) in &self.types {
            if !types.contains_key(type_url) {
                let emptied = if old.resources.is_empty() {
                    old.clone()
                } else {
                    Arc::new(TypeSet::new(*type_url, revision, BTreeMap::new()))
                };
                types.insert(*type_url, emptied);
            }
        }
        Self {
            fleet: self.fleet.clone(),
            revision,
            types,
        }
    }

    /// The same, in the memory of another where the two are equal.
    pub fn sharing(&self, other: &Snapshot) -> Self {
        let mut shared = self.clone();
        for (type_url, set) in &mut shared.types {
            let Some(known) = other.types.get(type_url) else {
                continue;
            };
            if known.digest == set.digest && known.changed_in == set.changed_in {
                *set = known.clone();
                continue;
            }
            let resources = set.resources.iter().map(|(name, resource)| {
                let same = known.resources.get_key_value(name);
                let same = same.filter(|(_, known)| known.digest == resource.digest);
                let (name, resource) = same.unwrap_or((name, resource));
                (name.clone(), resource.clone())
            });
            let resources = resources.collect();
            *set = Arc::new(TypeSet::new(*type_url, set.changed_in, resources));
        }
        shared
    }

    /// The revision after `self`, with these resources put or (None) taken away. Sets without a change in content are
    /// shared with `self`, so the cost follows what changes.
    pub fn with(&self, revision: Revision, changes: Changes) -> Self {
        let mut types = self.types.clone();
        for (type_url, changes) in changes {
            let old = self.types.get(&type_url);
            let mut resources = old.map(|set| set.resources.clone()).unwrap_or_default();
            let mut changed = false;
            for (name, new) in changes {
                let digest = resources.get(&name).map(|old| old.digest);
                if digest == new.as_ref().map(|new| new.digest) {
                    continue;
                }
                changed = true;
                match new {
                    Some(new) => resources.insert(name, new),
                    None => resources.remove(&name),
                };
            }
            if changed {
                let set = TypeSet::new(type_url, revision, resources);
                types.insert(type_url, Arc::new(set));
            }
        }
        Self {
            fleet: self.fleet.clone(),
            revision,
            types,
        }
    }

    /// A snapshot read back from storage, set by set.
    pub fn restore(
        fleet: Name,
        revision: Revision,
        sets: impl IntoIterator<Item = TypeSet>,
    ) -> Self {
        Self {
            fleet,
            revision,
            types: sets
                .into_iter()
                .map(|set| (set.type_url, Arc::new(set)))
                .collect(),
        }
    }

    /// The resources of one type; None if the fleet never had one.
    pub fn get(&self, type_url: TypeUrl) -> Option<&Arc<TypeSet>> {
        self.types.get(&type_url)
    }

    /// One resource.
    pub fn resource(&self, type_url: TypeUrl, name: &str) -> Option<&Arc<Resource>> {
        self.get(type_url)?.resources.get(name)
    }

    /// All types, in push order.
    pub fn types(&self) -> impl Iterator<Item = &Arc<TypeSet>> {
        self.types.values()
    }

    /// The types that this very revision changed.
    pub fn changed_types(&self) -> impl Iterator<Item = TypeUrl> + '_ {
        self.types()
            .filter(|set| set.changed_in == self.revision)
            .map(|set| set.type_url)
    }
}
