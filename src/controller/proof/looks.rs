//! Looks at the ledger that those share who follow the same revision: the operator's command, the watch for rejections, the
//! release that it belongs to.
//!
//! A look costs as much as the fleet is large, and while a large fleet ACKs there is something new at any time. So a look
//! is used again for a while, by all; what it does not show yet is stamped when it happened, and is seen by the next.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    controller::sync::lock,
    fleet::{Proof, Requirement},
    model::Revision,
};

/// Looks take at most one part in so many of a core.
const SHARE: u32 = 100;

/// A look that took longer was interrupted.
const LONGEST_COST: Duration = Duration::from_millis(20);

/// A shorter pause is none.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Revisions that are followed at the same time; of more, each follower looks for itself.
const KEPT: usize = 4;

/// One look.
#[derive(Clone, Debug)]
pub(in crate::controller) struct Look {
    pub(in crate::controller) proof: Arc<Proof>,
    /// The count of the ledger's changes before it: those after it may be missing.
    pub(in crate::controller) seen: u64,
    /// When the next one is due.
    pub(in crate::controller) next: Instant,
}

/// How long to wait after something that took this long, and is done again and again.
pub(in crate::controller) fn pause(cost: Duration) -> Duration {
    let pause = cost.min(LONGEST_COST) * (SHARE - 1);
    match pause < SHORTEST_PAUSE {
        true => Duration::ZERO,
        false => pause,
    }
}

/// Those of one fleet.
#[derive(Debug, Default)]
pub(in crate::controller) struct Looks(Mutex<Vec<(Requirement, Revision, Look)>>);

impl Looks {
    /// How far a requirement is, where `head` is the newest revision and the ledger has changed so many times: the last look,
    /// if nothing has changed since or its pause is not over; else a new one, made by `look`.
    pub(in crate::controller) fn at(
        &self,
        requirement: &Requirement,
        head: Revision,
        changes: u64,
        look: impl FnOnce() -> Proof,
    ) -> Look {
        let goes = |last: &Look| last.seen == changes || Instant::now() < last.next;
        self.last_or(requirement, head, changes, goes, look)
    }

    /// The same for who decides by it: the last look only if nothing has changed since.
    pub(in crate::controller) fn now(
        &self,
        requirement: &Requirement,
        head: Revision,
        changes: u64,
        look: impl FnOnce() -> Proof,
    ) -> Look {
        let goes = |last: &Look| last.seen == changes;
        self.last_or(requirement, head, changes, goes, look)
    }

    fn last_or(
        &self,
        requirement: &Requirement,
        head: Revision,
        changes: u64,
        goes: impl FnOnce(&Look) -> bool,
        look: impl FnOnce() -> Proof,
    ) -> Look {
        // Held while one looks: the others wait for what they would do themselves.
        let mut kept = lock(&self.0);
        let known = kept
            .iter()
            .find(|(of, at, _)| of == requirement && *at == head);
        if let Some((_, _, last)) = known
            && goes(last)
        {
            return last.clone();
        }
        let began = Instant::now();
        let proof = Arc::new(look());
        let look = Look {
            proof,
            seen: changes,
            next: began + pause(began.elapsed()),
        };
        kept.retain(|(of, _, _)| of != requirement);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((requirement.clone(), head, look.clone()));
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TypeUrl;

    fn proof(acked: u32) -> Proof {
        Proof {
            acked,
            ..Proof::default()
        }
    }

    #[test]
    fn a_look_is_shared_until_something_has_changed_and_its_pause_is_over() {
        let looks = Looks::default();
        let routes = Requirement::weights(Revision(3));
        let first = looks.at(&routes, Revision(3), 7, || proof(1));
        assert_eq!((first.proof.acked, first.seen), (1, 7));
        let same = looks.at(&routes, Revision(3), 7, || proof(2));
        assert_eq!(same.proof.acked, 1, "nothing has changed");
        let next_is_due = |at| looks.0.lock().unwrap()[0].2.next = at;
        next_is_due(Instant::now() + Duration::from_secs(3600));
        let same = looks.at(&routes, Revision(3), 8, || proof(2));
        assert_eq!((same.proof.acked, same.seen), (1, 7), "it is not time yet");
        next_is_due(Instant::now());
        let next = looks.at(&routes, Revision(3), 8, || proof(2));
        assert_eq!((next.proof.acked, next.seen), (2, 8));
    }

    #[test]
    fn who_decides_by_a_look_sees_every_change() {
        let looks = Looks::default();
        let routes = Requirement::weights(Revision(3));
        looks.at(&routes, Revision(3), 7, || proof(1));
        let next_is_due = |at| looks.0.lock().unwrap()[0].2.next = at;
        next_is_due(Instant::now() + Duration::from_secs(3600));
        let same = looks.now(&routes, Revision(3), 7, || proof(2));
        assert_eq!(same.proof.acked, 1, "nothing has changed");
        let next = looks.now(&routes, Revision(3), 8, || proof(2));
        assert_eq!((next.proof.acked, next.seen), (2, 8));
        let shared = looks.at(&routes, Revision(3), 8, || proof(3));
        assert_eq!(shared.proof.acked, 2, "those who follow have it too");
    }

    #[test]
    fn what_is_required_and_the_newest_revision_tell_looks_apart() {
        let looks = Looks::default();
        let routes = Requirement::weights(Revision(3));
        let all = Requirement::new(Revision(3), vec![TypeUrl::Cluster]);
        looks.at(&routes, Revision(3), 7, || proof(1));
        assert_eq!(looks.at(&all, Revision(3), 7, || proof(2)).proof.acked, 2);
        let newer = looks.at(&routes, Revision(4), 7, || proof(3));
        assert_eq!(newer.proof.acked, 3);
    }

    #[test]
    fn a_small_fleet_is_looked_at_without_a_pause() {
        assert_eq!(pause(Duration::from_micros(10)), Duration::ZERO);
        assert_eq!(pause(Duration::from_secs(9)), LONGEST_COST * (SHARE - 1));
    }
}
