//! The ledger: what counts as accepted, by whom and when.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::fleet::{NotAckedState, TypeState};

pub(super) const CDS: TypeUrl = TypeUrl::Cluster;
pub(super) const RDS: TypeUrl = TypeUrl::RouteConfiguration;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn proxy(id: &str) -> ProxyInfo {
    proxy_at(id, 1)
}

/// The same on the connection from that port.
pub(super) fn proxy_at(id: &str, port: u16) -> ProxyInfo {
    ProxyInfo {
        id: id.into(),
        address: format!("127.0.0.1:{port}").into(),
        software: "envoy 1.40.0".into(),
    }
}

pub(super) fn routes(revision: u64) -> Requirement {
    Requirement::new(Revision(revision), vec![RDS])
}

fn rejected(revision: u64) -> Record {
    Record::Rejected {
        type_url: RDS,
        revision: Revision(revision),
        resources: vec!["main".into()],
        message: "no".into(),
    }
}

pub(super) fn accepted(revision: u64) -> Record {
    Record::Accepted(RDS, Revision(revision))
}

/// A ledger with one connected proxy `a` on stream 1, which asked for routes at second 0.
pub(super) fn one() -> Ledger {
    let ledger = Ledger::new(|| {});
    ledger.connect(StreamId(1), proxy("a"), at(0));
    ledger.record(StreamId(1), Record::Subscribed(RDS), at(0));
    ledger
}

pub(super) fn counts(proof: &Proof) -> (u32, u32, u32, u32) {
    (proof.acked, proof.pending, proof.nacked, proof.disconnected)
}

#[test]
fn a_proxy_is_pending_until_it_accepts_and_the_time_is_that_of_the_ack() {
    let ledger = one();
    ledger.record(StreamId(1), Record::Sent(RDS, Revision(3)), at(1));
    assert_eq!(counts(&ledger.proof(&routes(3))), (0, 1, 0, 0));
    ledger.record(StreamId(1), accepted(3), at(2));
    let proof = ledger.proof(&routes(3));
    assert!(proof.is_complete());
    assert_eq!(
        (proof.first_ack, proof.last_ack),
        (Some(at(2)), Some(at(2)))
    );
}

#[test]
fn a_later_revision_proves_an_earlier_one_and_does_not_move_its_time() {
    let ledger = one();
    ledger.record(StreamId(1), accepted(3), at(2));
    ledger.record(StreamId(1), accepted(5), at(9));
    assert_eq!(ledger.proof(&routes(3)).last_ack, Some(at(2)));
    assert_eq!(ledger.proof(&routes(4)).last_ack, Some(at(9)));
    assert_eq!(counts(&ledger.proof(&routes(6))), (0, 1, 0, 0));
}

#[test]
fn a_type_that_the_revision_did_not_change_is_not_waited_for() {
    let ledger = one();
    ledger.record(StreamId(1), Record::Subscribed(CDS), at(0));
    ledger.record(StreamId(1), Record::Sent(CDS, Revision(2)), at(1));
    ledger.record(StreamId(1), accepted(3), at(2));
    assert!(ledger.proof(&routes(3)).is_complete());
}

#[test]
fn a_rejection_stays_with_its_revision_when_a_later_one_heals_the_proxy() {
    let ledger = one();
    ledger.record(StreamId(1), rejected(3), at(2));
    let proof = ledger.proof(&routes(3));
    assert_eq!(counts(&proof), (0, 0, 1, 0));
    assert_eq!(
        proof.not_acked[0].state,
        NotAckedState::Nacked {
            revision: Revision(3),
            type_url: RDS,
            resources: vec!["main".into()],
            message: "no".into()
        }
    );
    ledger.record(StreamId(1), accepted(4), at(3));
    assert_eq!(counts(&ledger.proof(&routes(3))), (0, 0, 1, 0));
    assert!(ledger.proof(&routes(4)).is_complete());
    let newest = BTreeMap::from([(RDS, Revision(4))]);
    assert_eq!(ledger.proxies(&newest)[0].types[0].state, TypeState::Synced);
    assert_eq!(ledger.proxies(&newest)[0].types[0].error, None);
}

#[test]
fn what_is_rejected_after_a_later_revision_was_accepted_is_not_healed_by_it() {
    let ledger = one();
    ledger.record(StreamId(1), accepted(4), at(2));
    // A client that names what it wants has asked for something of revision 3 only now.
    ledger.record(StreamId(1), rejected(3), at(3));
    let newest = BTreeMap::from([(RDS, Revision(4))]);
    let state = || ledger.proxies(&newest)[0].types[0].state;
    assert_eq!(state(), TypeState::Nacked);
    ledger.record(StreamId(1), accepted(4), at(4));
    assert_eq!(state(), TypeState::Synced);
}

#[test]
fn a_rejected_later_revision_leaves_an_unanswered_earlier_one_rejected_too() {
    let ledger = one();
    ledger.record(StreamId(1), rejected(5), at(2));
    assert_eq!(counts(&ledger.proof(&routes(4))), (0, 0, 1, 0));
    assert_eq!(counts(&ledger.proof(&routes(6))), (0, 1, 0, 0));
}

#[test]
fn a_proxy_that_left_still_counts_with_what_it_had() {
    let ledger = one();
    ledger.record(StreamId(1), accepted(3), at(2));
    ledger.disconnect(StreamId(1), at(4));
    assert!(ledger.proof(&routes(3)).is_complete());
    let proof = ledger.proof(&routes(4));
    assert_eq!(counts(&proof), (0, 0, 0, 1));
    assert_eq!(proof.not_acked[0].state, NotAckedState::Disconnected(at(4)));
}

#[test]
fn a_reconnect_with_the_same_version_keeps_the_time_of_the_first_ack() {
    let ledger = one();
    ledger.record(StreamId(1), accepted(3), at(2));
    ledger.disconnect(StreamId(1), at(4));
    ledger.connect(StreamId(2), proxy_at("a", 2), at(5));
    // It may have been restarted: nothing is known of it until it shows its version.
    assert_eq!(counts(&ledger.proof(&routes(3))), (0, 1, 0, 0));
    ledger.record(StreamId(2), Record::Subscribed(RDS), at(6));
    ledger.record(StreamId(2), accepted(3), at(6));
    assert_eq!(ledger.proof(&routes(3)).last_ack, Some(at(2)));
}

#[test]
fn a_reconnect_before_the_old_stream_is_noticed_dead_is_one_proxy() {
    let ledger = one();
    ledger.connect(StreamId(2), proxy_at("a", 2), at(5));
    ledger.record(StreamId(2), Record::Subscribed(RDS), at(5));
    ledger.record(StreamId(1), accepted(3), at(6));
    assert_eq!(ledger.proof(&routes(3)).total, 1);
    ledger.record(StreamId(2), accepted(3), at(7));
    assert!(ledger.proof(&routes(3)).is_complete());
    assert!(!ledger.proxies(&BTreeMap::new())[0].duplicate);
}

#[test]
fn line_01_two_connections_that_both_go_on_speaking_are_two_proxies_with_one_name() {
    let ledger = one();
    ledger.connect(StreamId(2), proxy_at("a", 2), at(5));
    ledger.record(StreamId(2), Record::Subscribed(RDS), at(5));
    ledger.record(StreamId(2), accepted(3), at(6));
    ledger.record(StreamId(1), accepted(2), at(60));
    let proof = ledger.proof(&routes(3));
    assert_eq!((proof.total, counts(&proof)), (2, (1, 1, 0, 0)));
    let views = ledger.proxies(&BTreeMap::new());
    assert_eq!(views.len(), 2);
    assert!(views.iter().all(|view| view.duplicate));
}

#[test]
fn line_01_an_older_connection_that_is_still_there_long_after_a_newer_one_came_counts_before_it_speaks()
 {
    let ledger = one();
    ledger.record(StreamId(1), accepted(3), at(0));
    ledger.connect(StreamId(2), proxy_at("a", 2), at(5));
    ledger.record(StreamId(2), Record::Subscribed(RDS), at(5));
    ledger.record(StreamId(2), accepted(3), at(6));
    assert_eq!(ledger.proof(&routes(3)).total, 1, "it may be dead");
    ledger.record(StreamId(2), accepted(4), at(60));
    let proof = ledger.proof(&routes(4));
    assert_eq!((proof.total, counts(&proof)), (2, (1, 1, 0, 0)));
}

/// Proxy `a` with two streams over one connection, which both ask for routes, other ones each.
pub(super) fn two_streams() -> Ledger {
    let ledger = one();
    ledger.connect(StreamId(2), proxy("a"), at(1));
    ledger.record(StreamId(2), Record::Subscribed(RDS), at(1));
    for stream in [1, 2] {
        ledger.record(StreamId(stream), Record::Sent(RDS, Revision(3)), at(2));
        ledger.record(StreamId(stream), accepted(3), at(2));
    }
    ledger
}

#[test]
fn line_01_streams_over_one_connection_are_one_proxy_that_has_what_all_of_them_have() {
    let ledger = two_streams();
    let newest = BTreeMap::from([(RDS, Revision(4))]);
    let view = |ledger: &Ledger| {
        let views = ledger.proxies(&newest);
        assert!(views.len() == 1 && !views[0].duplicate, "{views:?}");
        (views[0].types[0].state, views[0].types[0].accepted)
    };
    for behind in [1, 2] {
        let ledger = two_streams();
        ledger.record(StreamId(3 - behind), accepted(4), at(60));
        let proof = ledger.proof(&routes(4));
        assert_eq!((proof.total, counts(&proof)), (1, (0, 1, 0, 0)));
        assert_eq!(view(&ledger), (TypeState::Stale, Revision(3)));

        ledger.record(StreamId(behind), accepted(4), at(61));
        let proof = ledger.proof(&routes(4));
        assert_eq!((proof.total, counts(&proof)), (1, (1, 0, 0, 0)));
        assert_eq!(proof.last_ack, Some(at(61)));
        assert_eq!(view(&ledger), (TypeState::Synced, Revision(4)));
    }
    ledger.record(StreamId(1), rejected(4), at(60));
    ledger.record(StreamId(2), accepted(4), at(60));
    let proof = ledger.proof(&routes(4));
    assert_eq!((proof.total, counts(&proof)), (1, (0, 0, 1, 0)));
    assert_eq!(view(&ledger), (TypeState::Nacked, Revision(3)));
}

/// Proxy `a` with two connections, which lead to a target each, and have what revision 3 makes of them.
fn two_targets() -> Ledger {
    let ledger = one();
    ledger.connect(StreamId(2), proxy_at("a", 2), at(1));
    ledger.record(StreamId(2), Record::Subscribed(RDS), at(1));
    for (stream, target) in [(1, "fraud"), (2, "risk")] {
        let stream = StreamId(stream);
        ledger.record(
            stream,
            Record::Named(TypeUrl::Listener, vec![target.into()]),
            at(2),
        );
        ledger.record(stream, accepted(3), at(2));
    }
    ledger
}

#[test]
fn line_01_connections_that_lead_to_different_targets_are_one_proxy_that_has_what_all_of_them_have()
{
    for behind in [1, 2] {
        let ledger = two_targets();
        ledger.record(StreamId(3 - behind), accepted(4), at(3));
        let proof = ledger.proof(&routes(4));
        assert_eq!((proof.total, counts(&proof)), (1, (0, 1, 0, 0)));
        ledger.record(StreamId(behind), accepted(4), at(60));
        let proof = ledger.proof(&routes(4));
        assert_eq!((proof.total, counts(&proof)), (1, (1, 0, 0, 0)));
        assert_eq!(
            proof.last_ack,
            Some(at(60)),
            "it adopts no time of the other's"
        );
        assert!(!ledger.proxies(&BTreeMap::new())[0].duplicate);
    }
    // A connection to one of the two that takes the place of an older one does not count twice.
    let ledger = two_targets();
    ledger.connect(StreamId(3), proxy_at("a", 3), at(4));
    ledger.record(StreamId(3), Record::Subscribed(RDS), at(4));
    ledger.record(
        StreamId(3),
        Record::Named(TypeUrl::Listener, vec!["fraud".into()]),
        at(4),
    );
    assert_eq!(counts(&ledger.proof(&routes(3))), (0, 1, 0, 0));
    ledger.record(StreamId(3), accepted(3), at(5));
    assert_eq!(counts(&ledger.proof(&routes(3))), (1, 0, 0, 0));
}

#[test]
fn a_process_that_ends_leaves_the_proxy_with_what_all_of_its_connections_had() {
    for order in [[1, 2], [2, 1]] {
        let ledger = two_targets();
        ledger.record(StreamId(2), accepted(4), at(60));
        for stream in order {
            ledger.disconnect(StreamId(stream), at(61));
        }
        assert!(ledger.proof(&routes(3)).is_complete());
        assert_eq!(counts(&ledger.proof(&routes(4))), (0, 0, 0, 1));
    }
}

#[test]
fn a_connection_that_ends_leaves_the_proxy_with_what_all_of_its_streams_had() {
    for order in [[1, 2], [2, 1]] {
        let ledger = two_streams();
        ledger.record(StreamId(2), accepted(4), at(60));
        for stream in order {
            ledger.disconnect(StreamId(stream), at(61));
        }
        assert!(ledger.proof(&routes(3)).is_complete());
        assert_eq!(counts(&ledger.proof(&routes(4))), (0, 0, 0, 1));
    }
    // What a stream had that ended long before the others is no longer what the proxy has.
    let ledger = two_streams();
    ledger.disconnect(StreamId(1), at(50));
    ledger.record(StreamId(2), accepted(4), at(60));
    ledger.disconnect(StreamId(2), at(61));
    assert!(ledger.proof(&routes(4)).is_complete());
}

#[test]
fn a_stream_of_the_same_connection_is_no_earlier_one() {
    let ledger = two_streams();
    ledger.connect(StreamId(3), proxy("a"), at(60));
    ledger.record(StreamId(3), Record::Subscribed(RDS), at(60));
    assert_eq!(counts(&ledger.proof(&routes(3))), (0, 1, 0, 0));
    ledger.record(StreamId(3), accepted(3), at(61));
    assert_eq!(ledger.proof(&routes(3)).last_ack, Some(at(61)));
}

#[test]
fn streams_of_different_types_are_one_proxy() {
    let ledger = one();
    ledger.connect(StreamId(2), proxy("a"), at(1));
    ledger.record(StreamId(2), Record::Subscribed(CDS), at(1));
    ledger.record(StreamId(2), Record::Accepted(CDS, Revision(3)), at(2));
    ledger.record(StreamId(1), accepted(3), at(60));
    let both = Requirement::new(Revision(3), vec![CDS, RDS]);
    let proof = ledger.proof(&both);
    assert_eq!((proof.total, proof.acked), (1, 1));
    assert_eq!(
        (proof.first_ack, proof.last_ack),
        (Some(at(60)), Some(at(60)))
    );
}

#[test]
fn a_type_that_was_not_asked_for_counts_once_the_stream_says_it_is_not_needed() {
    let ledger = Ledger::new(|| {});
    ledger.connect(StreamId(1), proxy("a"), at(0));
    assert_eq!(counts(&ledger.proof(&routes(3))), (0, 1, 0, 0));
    ledger.record(StreamId(1), accepted(3), at(1));
    assert!(ledger.proof(&routes(3)).is_complete());
    assert_eq!(ledger.proxies(&BTreeMap::new())[0].types, []);
}

#[test]
fn states_are_those_of_istioctl() {
    let ledger = one();
    let state = |ledger: &Ledger| {
        let newest = BTreeMap::from([(RDS, Revision(3))]);
        ledger.proxies(&newest)[0].types[0].state
    };
    assert_eq!(state(&ledger), TypeState::NotSent);
    ledger.record(StreamId(1), Record::Sent(RDS, Revision(3)), at(1));
    assert_eq!(state(&ledger), TypeState::Stale);
    ledger.record(StreamId(1), rejected(3), at(1));
    assert_eq!(state(&ledger), TypeState::Nacked);
    ledger.record(StreamId(1), accepted(3), at(1));
    assert_eq!(state(&ledger), TypeState::Synced);
}

#[test]
fn a_proxy_that_waits_for_its_fleet_was_sent_nothing() {
    let ledger = one();
    let waiting = ledger.proxies(&BTreeMap::new());
    assert_eq!(waiting[0].types[0].state, TypeState::NotSent);
    // Of a type that the fleet has nothing of, there is nothing to send.
    let others = BTreeMap::from([(CDS, Revision(3))]);
    let served = ledger.proxies(&others);
    assert_eq!(served[0].types[0].state, TypeState::Synced);
}

#[test]
fn the_roster_survives_a_restart_and_forgets_only_who_is_away() {
    let ledger = one();
    ledger.connect(StreamId(2), proxy("b"), at(0));
    ledger.disconnect(StreamId(2), at(10));
    let restarted = Ledger::new(|| {});
    restarted.restore(ledger.roster(at(20)));
    let proof = restarted.proof(&routes(1));
    assert_eq!((proof.total, proof.disconnected), (2, 2));

    restarted.connect(StreamId(1), proxy("a"), at(30));
    assert_eq!(
        restarted.forget("a"),
        Err(ForgetError::Connected("a".into()))
    );
    assert_eq!(restarted.forget("c"), Err(ForgetError::Unknown("c".into())));
    assert_eq!(restarted.away(), [("b".into(), at(10))]);
    assert_eq!(restarted.forget("b"), Ok(()));
    assert_eq!(restarted.away(), []);
    assert_eq!(restarted.proof(&routes(1)).total, 1);
    restarted.disconnect(StreamId(1), at(700));
    assert_eq!(restarted.forget("a"), Ok(()));
    assert_eq!(restarted.proof(&routes(1)).total, 0);
}

#[test]
fn a_proxy_of_a_newer_revision_is_an_alarm_until_it_accepts_something() {
    let ledger = one();
    ledger.record(StreamId(1), Record::Newer(RDS, Revision(50)), at(1));
    assert_eq!(ledger.newer(), [("a".into(), Revision(50))]);
    // It is not waited for as for others: nothing is on its way to it.
    let proof = ledger.proof(&routes(3));
    assert_eq!(proof.pending, 1);
    assert_eq!(proof.not_acked[0].state, NotAckedState::Newer(Revision(50)));
    ledger.record(StreamId(1), accepted(51), at(2));
    assert_eq!(ledger.newer(), []);
}

#[test]
fn an_older_store_that_was_accepted_counts_from_what_the_proxy_has_now() {
    let ledger = one();
    ledger.record(StreamId(1), accepted(50), at(1));
    ledger.record(StreamId(1), accepted(43), at(2));
    assert_eq!(counts(&ledger.proof(&routes(44))), (0, 1, 0, 0));
}

#[test]
fn the_observer_hears_of_changes_only() {
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    let ledger = Ledger::new(|| {
        HEARD.fetch_add(1, Ordering::Relaxed);
    });
    ledger.connect(StreamId(1), proxy("a"), at(0));
    ledger.record(StreamId(1), accepted(3), at(1));
    ledger.record(StreamId(1), accepted(3), at(2));
    ledger.record(StreamId(9), accepted(3), at(2));
    assert_eq!(HEARD.load(Ordering::Relaxed), 2);
}
