//! PURE. Which revisions to drop. A revision that a release may go back to is never among them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{Name, Revision},
    release::{FleetState, ServiceState},
    store::{CommitKind, RevisionMeta},
};

/// Switches and rollbacks that are always kept, per service that there is: enough to see what happened in a bad night.
const SWITCHES: usize = 10;

/// What retention needs to know of a stored revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its number.
    pub revision: Revision,
    kind: CommitKind,
    /// Of a switch: the services.
    services: Vec<Name>,
}

impl Kept {
    /// From its record.
    pub fn of(meta: &RevisionMeta) -> Self {
        let services = match meta.kind {
            CommitKind::Switch => meta.services.clone(),
            CommitKind::Change | CommitKind::Endpoints | CommitKind::Release => Vec::new(),
        };
        Self {
            revision: meta.revision,
            kind: meta.kind,
            services,
        }
    }

    /// A revision whose record can't be read. It is treated like any change.
    pub fn unreadable(revision: Revision) -> Self {
        Self {
            revision,
            kind: CommitKind::Change,
            services: Vec::new(),
        }
    }
}

/// How many revisions over the limit are waited for: dropping the oldest writes a whole manifest, which must not happen
/// with every commit.
pub(super) fn slack(limit: usize) -> usize {
    (limit / 10).max(1)
}

/// The services that there are, each with the revision of its last switch.
pub(super) type Services = BTreeMap<Name, Option<Revision>>;

/// The services of a state.
pub(super) fn services(state: &FleetState) -> Services {
    let switched = |service: &ServiceState| service.release.as_ref().map(|it| it.switched_in);
    let services = state.services.iter();
    services
        .map(|(name, service)| (name.clone(), switched(service)))
        .collect()
}

/// The revisions to drop so that `limit` are left, as far as that is possible. `kept` is sorted; its last is the head, and
/// `services` are the head's.
pub(super) fn plan(kept: &[Kept], services: &Services, limit: usize) -> BTreeSet<Revision> {
    let mut excess = kept.len().saturating_sub(limit);
    let safe = protected(kept, services, limit);
    let mut drop = BTreeSet::new();
    let mut take = |revision: Revision, drop: &mut BTreeSet<Revision>| {
        if excess > 0 && !safe.contains(&revision) && drop.insert(revision) {
            excess -= 1;
        }
    };
    // Where a release stood is in its record too.
    for one in kept {
        if one.kind == CommitKind::Release {
            take(one.revision, &mut drop);
        }
    }
    // Of a run of address changes, the last says it all.
    for pair in kept.windows(2) {
        if let [one, two] = pair
            && one.kind == CommitKind::Endpoints
            && two.kind == CommitKind::Endpoints
        {
            take(one.revision, &mut drop);
        }
    }
    for one in kept {
        take(one.revision, &mut drop);
    }
    drop
}

fn protected(kept: &[Kept], services: &Services, limit: usize) -> BTreeSet<Revision> {
    // The head, and what was just now: the switches of many services may be more than the limit, and what is wanted of a
    // command that was given a moment ago (its proof, its repeat, the way back from its rejection) is read from its revision.
    let newest = kept.len().saturating_sub(slack(limit));
    let mut safe: BTreeSet<Revision> = kept[newest..].iter().map(|one| one.revision).collect();
    for switched_in in services.values().flatten() {
        safe.insert(*switched_in);
        let before = kept.partition_point(|one| one.revision < *switched_in);
        safe.extend(before.checked_sub(1).map(|at| kept[at].revision));
    }
    let there_is = |name: &&Name| services.contains_key(*name);
    let mut switches: BTreeMap<&Name, usize> = BTreeMap::new();
    for one in kept.iter().rev() {
        for service in one.services.iter().filter(there_is) {
            let count = switches.entry(service).or_default();
            *count += 1;
            if *count <= SWITCHES {
                safe.insert(one.revision);
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(kinds: &[u8]) -> Vec<Kept> {
        let one = |(at, kind): (usize, &u8)| Kept {
            revision: Revision(at as u64 + 1),
            kind: match kind {
                0 => CommitKind::Change,
                1 => CommitKind::Endpoints,
                9 => CommitKind::Release,
                _ => CommitKind::Switch,
            },
            services: match kind {
                0 | 1 | 9 => vec![],
                other => vec![Name::parse(&format!("s{other}")).unwrap()],
            },
        };
        kinds.iter().enumerate().map(one).collect()
    }

    /// The services of `kept`, never released.
    fn there_are() -> Services {
        let name = |kind| Name::parse(&format!("s{kind}")).unwrap();
        (2..200).map(|kind| (name(kind), None)).collect()
    }

    fn numbers(set: BTreeSet<Revision>) -> Vec<u64> {
        set.into_iter().map(|revision| revision.0).collect()
    }

    #[test]
    fn where_a_release_stood_goes_before_anything_else() {
        let kept = kept(&[0, 9, 1, 1, 9, 0, 9, 0]);
        let none = Services::new();
        assert_eq!(numbers(plan(&kept, &none, 6)), [2, 5]);
        assert_eq!(numbers(plan(&kept, &none, 4)), [2, 3, 5, 7]);
    }

    #[test]
    fn address_changes_go_first_and_the_oldest_after() {
        let kept = kept(&[0, 1, 1, 1, 0, 1, 0]);
        let none = Services::new();
        assert_eq!(numbers(plan(&kept, &none, 7)), [] as [u64; 0]);
        assert_eq!(numbers(plan(&kept, &none, 5)), [2, 3]);
        assert_eq!(numbers(plan(&kept, &none, 3)), [1, 2, 3, 4]);
    }

    #[test]
    fn the_newest_stay_however_many_switches_there_are() {
        let mut kinds: Vec<u8> = (10..40).cycle().take(300).collect();
        kinds.extend([0; 20]);
        let kept = kept(&kinds);
        let left: Vec<u64> = {
            let drop = plan(&kept, &there_are(), 100);
            let stays = |one: &&Kept| !drop.contains(&one.revision);
            kept.iter()
                .filter(stays)
                .map(|one| one.revision.0)
                .collect()
        };
        assert_eq!(left[..300], (1..=300).collect::<Vec<u64>>());
        assert_eq!(left[300..], (311..=320).collect::<Vec<u64>>());
    }

    #[test]
    fn switches_of_services_that_are_gone_go_like_any_change() {
        let kept = kept(&[2, 2, 3, 3, 0, 0]);
        let only_s3 = Services::from([(Name::parse("s3").unwrap(), None)]);
        assert_eq!(numbers(plan(&kept, &only_s3, 4)), [1, 2]);
    }

    proptest! {
        #[test]
        fn the_head_and_ten_switches_of_each_service_stay(
            kinds in proptest::collection::vec(0u8..5, 1..120),
            limit in 1usize..60,
        ) {
            let kept = kept(&kinds);
            let drop = plan(&kept, &there_are(), limit);
            prop_assert!(!drop.contains(&kept[kept.len() - 1].revision));
            for service in 2u8..5 {
                let of_it = kinds.iter().enumerate().rev().filter(|(_, kind)| **kind == service);
                for (at, _) in of_it.take(SWITCHES) {
                    prop_assert!(!drop.contains(&kept[at].revision));
                }
            }
            let safe = protected(&kept, &there_are(), limit).len();
            let left = kept.len() - drop.len();
            prop_assert!(left <= limit.max(safe), "{} left, {} are safe", left, safe);
            prop_assert!(left >= limit.min(kept.len()), "no more than needed is dropped");
        }
    }
}
