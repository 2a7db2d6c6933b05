//! What was worked out once and is the same for every stream.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Results remembered per view and question. The streams of a fleet ask with a handful of keys (the view before, the
/// clusters they have); one that asks with a key of its own computes, as it would without a memory.
const REMEMBERED: usize = 16;

/// The newest results of a function, by key.
#[derive(Debug)]
pub(super) struct Memo<K, V>(Mutex<VecDeque<(K, V)>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, V: Clone> Memo<K, V> {
    /// The result for this key. Two that ask at once may both compute; both get the same.
    pub(super) fn get(&self, key: K, compute: impl FnOnce() -> V) -> V {
        // A panic while it was locked leaves whole entries.
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = known.iter().find(|(known, _)| *known == key) {
            return value.clone();
        }
        drop(known);
        let value = compute();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = known.iter().find(|(known, _)| *known == key) {
            return value.clone();
        }
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back((key, value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_computed_once_and_the_oldest_forgotten() {
        let memo = Memo::default();
        assert_eq!(memo.get(0, || "first"), "first");
        assert_eq!(memo.get(0, || "again"), "first");
        for key in 1..=REMEMBERED {
            memo.get(key, || "other");
        }
        assert_eq!(memo.get(0, || "again"), "again");
    }
}
