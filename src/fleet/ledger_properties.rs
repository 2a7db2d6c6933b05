//! Named invariants of the ledger, over random histories of a few proxies.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{tests::*, *};

#[derive(Clone, Debug)]
enum Step {
    Connect(u64, u8, u16),
    Disconnect(u64),
    Record(u64, Record),
    Expire,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let types = prop_oneof![Just(CDS), Just(RDS)];
    let record = (types, 1u64..8, 0u8..8).prop_map(|(type_url, revision, kind)| match kind {
        0 => Record::Subscribed(type_url),
        1 => Record::Sent(type_url, Revision(revision)),
        2 => Record::Unsubscribed(type_url),
        5 => Record::Weighted(Revision(revision)),
        6 if revision < 3 => Record::Named(TypeUrl::Listener, vec![]),
        6 => Record::Named(TypeUrl::Listener, vec![revision.to_string().into()]),
        7 if revision < 3 => Record::Apart(vec![(type_url, revision.to_string().into())]),
        3 => Record::Rejected {
            type_url,
            revision: Revision(revision),
            resources: vec![],
            message: "no".into(),
        },
        _ => Record::Accepted(type_url, Revision(revision)),
    });
    let step = prop_oneof![
        2 => (0u64..5, 0u8..3, 0u16..3).prop_map(|(stream, proxy, port)| Step::Connect(stream, proxy, port)),
        3 => (0u64..5).prop_map(Step::Disconnect),
        12 => (0u64..5, record).prop_map(|(stream, record)| Step::Record(stream, record)),
        1 => Just(Step::Expire),
    ];
    proptest::collection::vec(step, 0..120)
}

/// A ledger to which steps happen, one every four seconds.
struct Played {
    ledger: Ledger,
    streams: BTreeSet<u64>,
    now: Timestamp,
}

impl Played {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(|| {}),
            streams: BTreeSet::new(),
            now: at(0),
        }
    }

    fn step(&mut self, step: Step) {
        let Self {
            ledger,
            streams,
            now,
        } = self;
        match step {
            Step::Connect(stream, id, port) if streams.insert(stream) => {
                ledger.connect(StreamId(stream), proxy_at(&id.to_string(), port), *now);
            }
            Step::Connect(..) => {}
            Step::Disconnect(stream) => {
                streams.remove(&stream);
                ledger.disconnect(StreamId(stream), *now);
            }
            Step::Record(stream, record) => ledger.record(StreamId(stream), record, *now),
            Step::Expire => {
                let long =
                    |(_, since): &(_, jiff::Timestamp)| now.duration_since(*since).as_secs() >= 40;
                for (id, _) in ledger.away().into_iter().filter(long) {
                    ledger.forget(&id).unwrap();
                }
            }
        }
        *now = now.checked_add(jiff::SignedDuration::from_secs(4)).unwrap();
    }

    fn proof(&self, requirement: &Requirement) -> Proof {
        let mut proof = self.ledger.proof(requirement);
        proof.not_acked = proof.by_name().into_iter().cloned().collect();
        proof
    }
}

proptest! {
    /// Named invariant: acked + pending + nacked + disconnected = total, and the times are in order.
    #[test]
    fn everybody_is_counted_once(steps in steps(), revision in 1u64..8) {
        let mut played = Played::new();
        for step in steps {
            let now = played.now;
            played.step(step);
            let requirement = Requirement::new(Revision(revision), vec![CDS, RDS]);
            let proof = played.ledger.proof(&requirement);
            let (acked, pending, nacked, disconnected) = counts(&proof);
            prop_assert_eq!(acked + pending + nacked + disconnected, proof.total);
            prop_assert_eq!(proof.not_acked.len() as u32, proof.total - acked);
            prop_assert_eq!(played.ledger.proxies(&BTreeMap::new()).len() as u32, proof.total);
            prop_assert_eq!(proof.first_ack.is_some(), acked > 0);
            prop_assert!(proof.first_ack <= proof.last_ack);
            prop_assert!(proof.last_ack.is_none_or(|last| last <= now));
        }
    }

    /// Named invariant: what was asked before changes no answer.
    #[test]
    fn an_answer_that_was_kept_is_the_one_that_would_be_found(
        steps in steps(),
        asked in proptest::collection::vec((1u64..8, 0u8..4), 40),
    ) {
        let requirement = |(revision, kind): (u64, u8)| match kind {
            0 => Requirement::new(Revision(revision), vec![CDS]),
            1 => Requirement::new(Revision(revision), vec![RDS]),
            2 => Requirement::new(Revision(revision), vec![CDS, RDS]),
            _ => Requirement::weights(Revision(revision)),
        };
        let last = requirement(asked[0]);
        let mut often = Played::new();
        for (done, between) in (1..=steps.len().min(40)).zip(asked) {
            often.proof(&requirement(between));
            often.proof(&last);
            often.step(steps[done - 1].clone());
            let mut once = Played::new();
            steps[..done].iter().for_each(|step| once.step(step.clone()));
            prop_assert_eq!(often.proof(&last), once.proof(&last));
            prop_assert_eq!(often.ledger.acks(std::slice::from_ref(&last)).len(), once.ledger.acks(std::slice::from_ref(&last)).len());
        }
    }

    /// Named invariant: whoever is there is the same as long as nobody came or went.
    #[test]
    fn presence_changes_only_when_a_move_was_counted(steps in steps()) {
        let mut played = Played::new();
        let (mut moves, mut presence) = (played.ledger.moves(), Vec::new());
        for step in steps {
            played.step(step);
            let mut now = played.ledger.presence();
            // Two that share a name, and when they are taken for two, is nobody's coming or going.
            now.sort();
            now.dedup();
            if moves == played.ledger.moves() {
                prop_assert_eq!(&presence, &now);
            }
            (moves, presence) = (played.ledger.moves(), now);
        }
    }
}
