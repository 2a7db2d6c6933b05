//! What the log has already: a fleet of thousands that refuses one thing, or is refused for one, says it once.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

/// So much is remembered. All proxies of a fleet say the same within seconds, and few things are wrong at a time; one that is
/// forgotten is said once more.
const REMEMBERED: usize = 64;

/// What was said lately.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<VecDeque<u64>>);

impl Told {
    /// Whether nobody has said that lately.
    pub(super) fn is_news(&self, said: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        said.hash(&mut hasher);
        let said = hasher.finish();
        // Every change is a whole one: a panic elsewhere leaves nothing half done.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&said) {
            return false;
        }
        if told.len() == REMEMBERED {
            told.pop_front();
        }
        told.push_back(said);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_news_once_and_another_is_news_again() {
        let told = Told::default();
        assert!(told.is_news(("payments", 1, "no")));
        assert!(!told.is_news(("payments", 1, "no")));
        assert!(told.is_news(("lending", 1, "no")));
        assert!(told.is_news(("payments", 2, "no")));
        assert!(told.is_news(("payments", 1, "never")));
        for revision in 10..10 + REMEMBERED {
            assert!(told.is_news(("payments", revision, "no")));
        }
        assert!(told.is_news(("payments", 1, "no")), "long ago");
    }
}
