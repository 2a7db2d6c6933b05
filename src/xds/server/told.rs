//! Rejections that the log has already: a fleet of thousands that refuses one thing says it once.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use crate::model::{Name, Revision, TypeUrl};

/// Rejections remembered. All proxies of a fleet refuse a revision within seconds, and few revisions are refused at a
/// time; one that is forgotten is said once more.
const REMEMBERED: usize = 64;

/// What was said lately.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<VecDeque<u64>>);

impl Told {
    /// Whether nobody of the fleet has rejected that revision of the type with these words before.
    pub(super) fn is_news(
        &self,
        fleet: &Name,
        type_url: TypeUrl,
        revision: Revision,
        message: &str,
    ) -> bool {
        let mut hasher = DefaultHasher::new();
        (fleet.as_str(), type_url, revision.0, message).hash(&mut hasher);
        let rejection = hasher.finish();
        // Every change is a whole one: a panic elsewhere leaves nothing half done.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&rejection) {
            return false;
        }
        if told.len() == REMEMBERED {
            told.pop_front();
        }
        told.push_back(rejection);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_is_news_once_and_another_is_news_again() {
        let told = Told::default();
        let payments = Name::parse("payments").unwrap();
        let lending = Name::parse("lending").unwrap();
        let news = |fleet, revision, message| {
            told.is_news(fleet, TypeUrl::Cluster, Revision(revision), message)
        };
        assert!(news(&payments, 1, "no"));
        assert!(!news(&payments, 1, "no"));
        assert!(news(&lending, 1, "no"));
        assert!(news(&payments, 2, "no"));
        assert!(news(&payments, 1, "never"));
        for revision in 10..10 + REMEMBERED as u64 {
            assert!(news(&payments, revision, "no"));
        }
        assert!(news(&payments, 1, "no"), "long ago");
    }
}
