//! What a commit changes: found by identity first and by content after, so that what did not change costs nothing.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    blob::Blob,
    fault::Fault,
    layout::{Delta, Key, Manifest},
};
use crate::{release::FleetState, snapshot::Snapshot, store::Head};

/// Entries that were put or taken away, and the content of those put.
#[derive(Default)]
pub(super) struct Changes {
    /// By entry.
    pub delta: Delta,
    /// New content; some of it may be stored already.
    pub blobs: Vec<Blob>,
}

impl Changes {
    /// Between the head and what is to follow it. `manifest` has the entries of the head.
    pub fn between(
        head: Option<&Head>,
        manifest: &Manifest,
        state: &FleetState,
        snapshot: &Snapshot,
    ) -> Result<Self, Fault> {
        let mut changes = Self::default();
        changes.state(head.map(|head| head.state.as_ref()), manifest, state)?;
        changes.resources(head.map(|head| head.snapshot.as_ref()), snapshot)?;
        Ok(changes)
    }

    fn put(&mut self, key: Key, blob: Blob) {
        self.delta.changes.insert(key, Some(blob.digest));
        self.blobs.push(blob);
    }

    fn state(
        &mut self,
        old: Option<&FleetState>,
        manifest: &Manifest,
        new: &FleetState,
    ) -> Result<(), Fault> {
        // Named one by one: a field that is added there must not be forgotten here.
        let FleetState {
            services,
            resources,
            groups,
        } = new;
        let none = FleetState::default();
        let old = old.unwrap_or(&none);
        for (name, entry) in news(&old.services, services) {
            self.put_state(Key::Service(name.clone()), manifest, Blob::of_state(entry)?);
        }
        for (name, entry) in news(&old.resources, resources) {
            let blob = Blob::of_state(entry)?;
            self.put_state(Key::Resources(name.clone()), manifest, blob);
        }
        for (name, entry) in news(&old.groups, groups) {
            self.put_state(Key::Group(name.clone()), manifest, Blob::of_state(entry)?);
        }
        let gone = gone(&old.services, services).map(Key::Service);
        let gone = gone.chain(self::gone(&old.resources, resources).map(Key::Resources));
        let gone = gone.chain(self::gone(&old.groups, groups).map(Key::Group));
        self.delta.changes.extend(gone.map(|key| (key, None)));
        Ok(())
    }

    fn put_state(&mut self, key: Key, manifest: &Manifest, blob: Blob) {
        if manifest.get(&key) != Some(&blob.digest) {
            self.put(key, blob);
        }
    }

    fn resources(&mut self, old: Option<&Snapshot>, new: &Snapshot) -> Result<(), Fault> {
        let none = BTreeMap::new();
        for set in new.types() {
            let before = old.and_then(|old| old.get(set.type_url));
            if before.is_some_and(|before| Arc::ptr_eq(before, set)) {
                continue;
            }
            let before = before.map_or(&none, |before| &before.resources);
            for (name, resource) in news(before, &set.resources) {
                // What it refers to is stored beside it, and a newer builder may see more in the same bytes.
                let same = before.get(name).is_some_and(|before| {
                    before.digest == resource.digest && before.references == resource.references
                });
                if !same {
                    let key = Key::Resource(set.type_url, name.clone());
                    self.put(key, Blob::of_resource(resource)?);
                }
            }
            let gone = gone(before, &set.resources);
            let gone = gone.map(|name| (Key::Resource(set.type_url, name), None));
            self.delta.changes.extend(gone);
        }
        for set in old.into_iter().flat_map(Snapshot::types) {
            if new.get(set.type_url).is_none() {
                let names = set.resources.keys().cloned();
                let gone = names.map(|name| (Key::Resource(set.type_url, name), None));
                self.delta.changes.extend(gone);
            }
        }
        Ok(())
    }
}

/// Entries of `new` that are not the very same in `old`. Both are sorted: one walk.
fn news<'a, K: Ord, V>(
    old: &'a BTreeMap<K, Arc<V>>,
    new: &'a BTreeMap<K, Arc<V>>,
) -> impl Iterator<Item = (&'a K, &'a Arc<V>)> {
    let mut before = old.iter().peekable();
    new.iter().filter(move |(key, value)| {
        while before.next_if(|(known, _)| known < key).is_some() {}
        !before
            .peek()
            .is_some_and(|(known, old)| known == key && Arc::ptr_eq(old, value))
    })
}

/// Keys of `old` that `new` does not have.
fn gone<'a, K: Ord + Clone, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = K> + 'a {
    let mut after = new.keys().peekable();
    old.keys()
        .filter(move |key| {
            while after.next_if(|known| known < key).is_some() {}
            after.peek() != Some(key)
        })
        .cloned()
}
