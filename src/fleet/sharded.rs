//! A map in parts, each behind its own lock: the streams of a large fleet do not queue for one.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Parts that are locked on their own: streams ACK all in the same millisecond. More than the cores of a large machine.
const SHARDS: usize = 64;

/// A map in parts, in no order.
pub(super) struct Sharded<K, V> {
    shards: Vec<Mutex<HashMap<K, V>>>,
}

impl<K: Eq + Hash, V> Sharded<K, V> {
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The part in which a key is, or would be.
    pub fn of(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        lock(&self.shards[hasher.finish() as usize % SHARDS]) // proof: there are SHARDS of them
    }

    /// Part by part: what changes meanwhile may be seen or not.
    pub fn each(&self, mut f: impl FnMut(&K, &V)) {
        for shard in &self.shards {
            lock(shard).iter().for_each(|(key, value)| f(key, value));
        }
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }
}

fn lock<K, V>(shard: &Mutex<HashMap<K, V>>) -> MutexGuard<'_, HashMap<K, V>> {
    // A panic while a row was changed leaves that row as far as it got; the others are as good as before.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
