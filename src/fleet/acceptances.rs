//! What was accepted on one stream, and when: one short list for all its types. A push changes one type and is accepted for
//! all, so a list per type would be written to in as many places, in ten thousand proxies at the same time.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::model::{Revision, TypeUrl};

/// Acceptances that are remembered, so that the time of a recent one can still be told: two for each revision, of what it left
/// alone and of what it changed. Progress is watched for seconds after a commit; sixteen revisions are more than anybody
/// commits meanwhile.
const KEPT: usize = 32;

/// What can be accepted: a type, or only the weights in its route configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks(u16);

impl Marks {
    /// Nothing.
    pub(super) const NONE: Self = Self(0);

    /// The weights of a revision, where the rest of its route configurations is held.
    pub(super) const WEIGHTS: Self = Self(1 << 15);

    /// The content of a type.
    pub(super) const fn of(type_url: TypeUrl) -> Self {
        Self(1 << type_url as u16)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has_any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

const _: () = assert!(
    TypeUrl::ALL.len() < 15,
    "the weights have a bit of their own"
);
const _: () = assert!(KEPT > TypeUrl::ALL.len() + 1, "the newest of each is kept");

/// At that time, these had the state of that revision.
#[derive(Clone, Copy, Debug)]
struct Acceptance {
    revision: Revision,
    at: Timestamp,
    of: Marks,
}

/// Those of one stream, by revision: what is asked for is at the end, and the rest is not looked at. Of one revision they stand
/// as they came, with times that grow unless the system's clock was set back. Of one type there is one per revision.
#[derive(Clone, Debug, Default)]
pub(super) struct Acceptances(VecDeque<Acceptance>);

impl Acceptances {
    /// Books that a revision was accepted at that time; false if it was already.
    pub(super) fn accept(&mut self, of: Marks, revision: Revision, at: Timestamp) -> bool {
        // An operator may accept a store that is older than the proxies: what they have now is what counts.
        if self.0.back().is_some_and(|last| last.revision > revision) {
            self.strike(|one| one.revision > revision, of.and(Marks::WEIGHTS));
        }
        if self.newest(of).is_some_and(|(last, _)| last == revision) {
            return false;
        }
        self.insert(of, revision, at);
        true
    }

    /// The newest that was accepted, and when.
    pub(super) fn newest(&self, of: Marks) -> Option<(Revision, Timestamp)> {
        let newest = self.0.iter().rev().find(|one| one.of.has_any_of(of))?;
        Some((newest.revision, newest.at))
    }

    /// When the state of `revision` or a later one was first accepted of any of these.
    pub(super) fn since(&self, of: Marks, revision: Revision) -> Option<Timestamp> {
        let before = self.before(|one| one.revision >= revision);
        let mut left = of;
        let mut first: Option<Timestamp> = None;
        for one in self.0.range(before..) {
            if one.of.has_any_of(left) {
                first = Some(first.map_or(one.at, |at| at.min(one.at)));
                // Of each the first time counts, also where a later one is earlier by the clock.
                left = left.without(one.of);
            }
        }
        first
    }

    /// Takes over what another stream of the proxy had accepted of a type, up to a revision that it had. False: it had not.
    pub(super) fn adopt(&mut self, other: &Self, of: Marks, revision: Revision) -> bool {
        let its = other.0.iter().filter(|one| one.of.has_any_of(of));
        if !its.clone().any(|one| one.revision == revision) {
            return false;
        }
        for one in its.filter(|one| one.revision <= revision) {
            self.insert(of, one.revision, one.at);
        }
        true
    }

    /// Takes over all that a stream which has ended had of these, instead of what was here.
    pub(super) fn replace(&mut self, ended: &Self, of: Marks) {
        self.strike(|_| true, of);
        for one in ended.0.iter().filter(|one| one.of.has_any_of(of)) {
            self.insert(Marks(one.of.0 & of.0), one.revision, one.at);
        }
    }

    /// Takes these off all entries that are so.
    fn strike(&mut self, is_so: impl Fn(&Acceptance) -> bool, of: Marks) {
        if self.0.iter().any(|one| one.of.has_any_of(of) && is_so(one)) {
            for one in self.0.iter_mut().filter(|one| is_so(one)) {
                one.of = one.of.without(of);
            }
            self.0.retain(|one| !one.of.is_none());
        }
    }

    /// How many there are before those at the end that are so.
    fn before(&self, is_so: impl Fn(&Acceptance) -> bool) -> usize {
        let at_end = self.0.iter().rev().take_while(|one| is_so(one));
        self.0.len() - at_end.count()
    }

    fn insert(&mut self, of: Marks, revision: Revision, at: Timestamp) {
        let mut place = self.before(|one| one.revision > revision);
        // As most: several types in one go.
        if let Some(last) = place.checked_sub(1).and_then(|last| self.0.get_mut(last))
            && (last.revision, last.at) == (revision, at)
        {
            last.of = last.of.and(of);
            return;
        }
        if self.0.len() >= KEPT
            && let Some(forgotten) = self.forget_oldest()
            && forgotten < place
        {
            place -= 1;
        }
        self.0.insert(place, Acceptance { revision, at, of });
    }

    /// Forgets the oldest of which nothing is the newest of its kind; where that was.
    fn forget_oldest(&mut self) -> Option<usize> {
        let is_outdated = |(place, one): &(usize, &Acceptance)| {
            let mut left = one.of;
            let mut later = self.0.range(place + 1..).rev();
            later.any(|later| {
                left = left.without(later.of);
                left.is_none()
            })
        };
        let (oldest, _) = self.0.iter().enumerate().find(is_outdated)?;
        self.0.remove(oldest);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CDS: Marks = Marks::of(TypeUrl::Cluster);
    const RDS: Marks = Marks::of(TypeUrl::RouteConfiguration);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A switch after it is not told to have taken as long as the clock was set back by.
    #[test]
    fn after_the_clock_was_set_back_times_are_those_of_the_clock() {
        let mut stream = Acceptances::default();
        stream.accept(RDS, Revision(1), at(1_000));
        stream.accept(RDS, Revision(2), at(40));
        stream.accept(RDS, Revision(3), at(60));
        assert_eq!(stream.since(RDS, Revision(1)), Some(at(1_000)));
        assert_eq!(stream.since(RDS, Revision(2)), Some(at(40)));
        assert_eq!(stream.since(RDS, Revision(3)), Some(at(60)));
        assert_eq!(stream.newest(RDS), Some((Revision(3), at(60))));
    }

    #[test]
    fn what_is_accepted_in_one_go_takes_one_entry_and_each_type_has_its_own_time() {
        let mut all = Acceptances::default();
        assert!(all.accept(CDS, Revision(3), at(1)));
        assert!(all.accept(RDS, Revision(3), at(1)));
        assert_eq!(all.0.len(), 1);
        assert!(!all.accept(RDS, Revision(3), at(2)), "it had it already");
        assert!(all.accept(CDS, Revision(4), at(2)));
        assert!(all.accept(RDS, Revision(4), at(5)));
        assert_eq!(all.newest(CDS), Some((Revision(4), at(2))));
        assert_eq!(all.since(RDS, Revision(4)), Some(at(5)));
        assert_eq!(all.since(RDS, Revision(2)), Some(at(1)));
        assert_eq!(all.since(RDS, Revision(5)), None);
    }

    #[test]
    fn weights_count_from_when_either_they_or_the_whole_were_accepted() {
        let mut all = Acceptances::default();
        all.accept(RDS, Revision(3), at(1));
        all.accept(Marks::WEIGHTS, Revision(4), at(2));
        let either = RDS.and(Marks::WEIGHTS);
        assert_eq!(all.since(either, Revision(4)), Some(at(2)));
        assert_eq!(all.since(RDS, Revision(4)), None);
        all.accept(RDS, Revision(4), at(3));
        assert_eq!(all.since(either, Revision(4)), Some(at(2)));
        assert_eq!(all.since(either, Revision(3)), Some(at(1)));
    }

    #[test]
    fn the_newest_of_each_type_is_never_forgotten() {
        let mut all = Acceptances::default();
        all.accept(CDS, Revision(1), at(1));
        for revision in 2..200 {
            all.accept(RDS, Revision(revision), at(revision as i64));
        }
        assert_eq!(all.0.len(), KEPT);
        assert_eq!(all.newest(CDS), Some((Revision(1), at(1))));
        assert_eq!(all.newest(RDS), Some((Revision(199), at(199))));
        assert_eq!(all.since(RDS, Revision(190)), Some(at(190)));
    }

    #[test]
    fn what_is_adopted_late_stands_where_its_revision_does() {
        let (mut all, mut other) = (Acceptances::default(), Acceptances::default());
        other.accept(RDS, Revision(1), at(1));
        other.accept(RDS, Revision(3), at(3));
        all.accept(CDS, Revision(2), at(8));
        all.accept(CDS, Revision(4), at(9));
        assert!(all.adopt(&other, RDS, Revision(3)));
        let revisions = |all: &Acceptances| -> Vec<u64> {
            let revisions = all.0.iter().map(|one| one.revision.0);
            revisions.collect()
        };
        assert_eq!(revisions(&all), [1, 2, 3, 4]);
        assert_eq!(all.newest(RDS), Some((Revision(3), at(3))));
        assert_eq!(all.since(RDS, Revision(2)), Some(at(3)));
        assert_eq!(all.since(RDS, Revision(4)), None);
        // The oldest goes, wherever a new one comes in.
        for revision in 5..40 {
            all.accept(CDS, Revision(revision), at(9));
            assert!(revisions(&all).is_sorted());
        }
        assert_eq!(all.newest(RDS), Some((Revision(3), at(3))));
    }

    #[test]
    fn weights_of_a_revision_that_is_lost_are_lost_with_it() {
        let mut all = Acceptances::default();
        all.accept(Marks::WEIGHTS, Revision(5), at(1));
        all.accept(RDS, Revision(3), at(2));
        assert_eq!(all.since(RDS.and(Marks::WEIGHTS), Revision(5)), None);
    }

    #[test]
    fn an_older_store_takes_back_what_is_newer_of_that_type_alone() {
        let mut all = Acceptances::default();
        all.accept(CDS, Revision(5), at(1));
        all.accept(RDS, Revision(5), at(1));
        all.accept(RDS, Revision(3), at(2));
        assert_eq!(all.newest(RDS), Some((Revision(3), at(2))));
        assert_eq!(all.newest(CDS), Some((Revision(5), at(1))));
    }
}
