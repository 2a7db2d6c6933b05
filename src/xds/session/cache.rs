//! What the streams of a fleet share: lists of names, views, and messages that are encoded already.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{
    message::{Key, Message, Parts},
    version,
};
use crate::{
    model::{Revision, TypeUrl},
    snapshot::{Digest, Item, Items, Resource, Snapshot, View, ready_part},
};

/// Longest list of names that is shared. A longer one is a client's own: finding its like costs as much as it saves.
const LONGEST_SHARED: usize = 4096;

/// Messages that are kept although no stream waits for their answer: the next proxy that starts needs the same few.
const MESSAGES_KEPT: usize = 64;

/// Contents remembered per type with the version they were sent under, so that a proxy that comes back with an older one
/// is known to have exactly that. It comes back within seconds, and few revisions change a type meanwhile.
const SHOWN_KEPT: usize = 16;

/// Below so many entries nothing is cleaned up.
const FEW: usize = 64;

/// Names that clients ask for, as a list that streams share.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) set: BTreeSet<Arc<str>>,
    pub(super) digest: Option<Digest>,
}

/// Shared by the streams of one fleet. It holds no decision: with an empty one every stream does the same, at more cost.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    names: Interned<Digest, Names>,
    views: Interned<(TypeUrl, Digest), View>,
    messages: Interned<Key, Message>,
    parts: Interned<Digest, Resource>,
    recent: VecDeque<Arc<Message>>,
    shown: BTreeMap<TypeUrl, Shown>,
    past: BTreeMap<(TypeUrl, Revision), Arc<View>>,
}

/// Versions and what they stand for, the newest last.
type Shown = VecDeque<(Arc<str>, Arc<View>)>;

/// Values that live as long as somebody outside holds them.
#[derive(Debug)]
struct Interned<K, V> {
    by_key: BTreeMap<K, Weak<V>>,
    /// When the dead are looked for next.
    clean_at: usize,
}

impl<K, V> Default for Interned<K, V> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            clean_at: FEW,
        }
    }
}

impl<K: Ord, V> Interned<K, V> {
    fn get(&self, key: &K) -> Option<Arc<V>> {
        self.by_key.get(key).and_then(Weak::upgrade)
    }

    fn put(&mut self, key: K, value: &Arc<V>) {
        if self.by_key.len() >= self.clean_at {
            self.by_key.retain(|_, value| value.strong_count() > 0);
            self.clean_at = FEW.max(2 * self.by_key.len());
        }
        self.by_key.insert(key, Arc::downgrade(value));
    }
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is a whole one: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shared list of these names.
    pub(super) fn names(&self, set: BTreeSet<Arc<str>>) -> Arc<Names> {
        if set.len() > LONGEST_SHARED {
            return Arc::new(Names { set, digest: None });
        }
        let bytes: Vec<&[u8]> = set.iter().map(|name| name.as_bytes()).collect();
        let digest = Digest::of(&bytes);
        let mut inner = self.lock();
        if let Some(known) = inner.names.get(&digest) {
            return known;
        }
        let names = Arc::new(Names {
            set,
            digest: Some(digest),
        });
        inner.names.put(digest, &names);
        names
    }

    /// The shared view of these resources.
    pub(super) fn view(&self, type_url: TypeUrl, items: Items) -> Arc<View> {
        let view = View::new(type_url, items);
        let key = (type_url, view.digest);
        let mut inner = self.lock();
        if let Some(known) = inner.views.get(&key) {
            return known;
        }
        let view = Arc::new(view);
        inner.views.put(key, &view);
        view
    }

    /// The shared message made of these parts; one client's own is for nobody else.
    pub(super) fn message(&self, parts: &Parts<'_>) -> Arc<Message> {
        if parts.is_one_clients() {
            return Arc::new(parts.message());
        }
        self.message_as(parts.key(), || parts.message())
    }

    /// The shared message of that key, made if there is none.
    pub(super) fn message_as(&self, key: Key, make: impl FnOnce() -> Message) -> Arc<Message> {
        let known = self.lock().messages.get(&key);
        if let Some(known) = known {
            return known;
        }
        let message = Arc::new(make());
        let mut inner = self.lock();
        inner.messages.put(key, &message);
        inner.recent.push_back(message.clone());
        if inner.recent.len() > MESSAGES_KEPT {
            inner.recent.pop_front();
        }
        message
    }

    /// The shared part of a resource that works without the missing clusters: nearly always one for all streams, as they
    /// miss the same.
    pub(super) fn ready_part(
        &self,
        newest: &Resource,
        previous: Option<&Resource>,
        missing: &BTreeSet<Arc<str>>,
    ) -> Arc<Resource> {
        let before = previous.map_or(newest.digest, |previous| previous.digest);
        let mut key: Vec<&[u8]> = vec![newest.digest.as_bytes(), before.as_bytes()];
        key.extend(missing.iter().map(|name| name.as_bytes()));
        let key = Digest::of(&key);
        let known = self.lock().parts.get(&key);
        known.unwrap_or_else(|| {
            let part = Arc::new(ready_part(newest, previous, missing));
            self.lock().parts.put(key, &part);
            part
        })
    }

    /// Remembers what a client that shows this version has, unless it is one client's own.
    pub(super) fn remember(&self, version: &Arc<str>, view: &Arc<View>) {
        if view.is_one_clients() {
            return;
        }
        let mut inner = self.lock();
        let shown = inner.shown.entry(view.type_url).or_default();
        if shown.iter().any(|(known, _)| known == version) {
            return;
        }
        if shown.len() == SHOWN_KEPT {
            shown.pop_front();
        }
        shown.push_back((version.clone(), view.clone()));
    }

    /// Knows of an earlier revision what a client has that was sent it, also before this server was started.
    pub fn remember_revision(&self, snapshot: &Snapshot) {
        let mut inner = self.lock();
        for set in snapshot.types() {
            let key = (set.type_url, set.changed_in);
            inner.past.entry(key).or_insert_with(|| set.view().clone());
        }
    }

    /// What a client has that shows this version, if it is remembered. `wanted` picks what it asks for of a whole revision.
    pub(super) fn recall(
        &self,
        type_url: TypeUrl,
        version: &str,
        wanted: impl FnOnce(&Arc<View>) -> Arc<View>,
    ) -> Option<Arc<View>> {
        let revision = version::revision(version)?;
        let past = {
            let inner = self.lock();
            let mut shown = inner.shown.get(&type_url).into_iter().flatten().rev();
            if let Some((_, view)) = shown.find(|(known, _)| &**known == version) {
                return Some(view.clone());
            }
            inner.past.get(&(type_url, revision)).cloned()?
        };
        // Of a revision it had what it asks for now, or something that is not known.
        let part = wanted(&past);
        (version::of(revision, part.digest) == version).then_some(part)
    }

    /// What a client has that shows this version of the clusters, if it is a revision's with those that were kept for its
    /// routes when the server ended. Which those were nobody remembers, but that they were removed in the revisions before;
    /// and the version tells whether a guess is right.
    pub(super) fn recall_kept(
        &self,
        version: &str,
        changed_in: Option<Revision>,
        newest: &Arc<View>,
    ) -> Option<Arc<View>> {
        let revision = version::revision(version)?;
        let type_url = newest.type_url;
        let past: Vec<(Revision, Arc<View>)> = {
            let inner = self.lock();
            let until = (type_url, Revision::ZERO)..=(type_url, revision);
            let past = inner.past.range(until).rev();
            past.map(|((_, at), view)| (*at, view.clone())).collect()
        };
        let is_it = |(at, _): &&(Revision, _)| *at == revision;
        let its = past.iter().find(is_it).map(|(_, view)| view);
        let its = its.or_else(|| (changed_in == Some(revision)).then_some(newest))?;
        let mut items = its.items().clone();
        for (_, older) in &past {
            let before = items.len();
            for (name, item) in older.items() {
                let item = || item.clone();
                items.entry(name.clone()).or_insert_with(item);
            }
            if items.len() > before {
                let guess = self.view(type_url, items.clone());
                if version::of(revision, guess.digest) == version {
                    // The next proxy shows the same.
                    self.remember(&version.into(), &guess);
                    return Some(guess);
                }
            }
        }
        None
    }

    /// One resource that was sent, by a test of its version.
    pub(super) fn recall_item(
        &self,
        type_url: TypeUrl,
        name: &str,
        is_it: impl Fn(Digest) -> bool,
    ) -> Option<Item> {
        let inner = self.lock();
        let shown = inner.shown.get(&type_url)?.iter().rev();
        let mut items = shown.filter_map(|(_, view)| view.get(name));
        items.find(|item| is_it(item.version)).cloned()
    }
}
