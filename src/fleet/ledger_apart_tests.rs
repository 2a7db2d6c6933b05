//! The ledger: streams for one type each, which stand beside the others of their proxy.

use super::{tests::*, *};
use crate::fleet::TypeState;

/// An Envoy opens its streams one by one, each again when it likes: what those have that are there is not all.
#[test]
fn line_36_a_stream_that_something_needs_is_waited_for_while_it_is_not_there() {
    let ledger = two_streams();
    let named = |name: &str| Record::Named(RDS, vec![name.into()]);
    let apart = ["second", "third"].map(|name| (RDS, Arc::from(name)));
    ledger.record(StreamId(1), Record::Apart(apart.into()), at(3));
    ledger.record(StreamId(2), named("second"), at(3));
    for stream in [1, 2] {
        ledger.record(StreamId(stream), accepted(4), at(4));
    }
    assert_eq!(counts(&ledger.proof(&routes(4))), (0, 1, 0, 0));
    let newest = BTreeMap::from([(RDS, Revision(4))]);
    let state = || ledger.proxies(&newest)[0].types[0].state;
    assert_eq!(state(), TypeState::Stale);

    ledger.connect(StreamId(3), proxy("a"), at(5));
    ledger.record(StreamId(3), Record::Subscribed(RDS), at(5));
    ledger.record(StreamId(3), named("third"), at(5));
    assert_eq!(counts(&ledger.proof(&routes(4))), (0, 1, 0, 0));
    ledger.record(StreamId(3), accepted(4), at(6));
    assert_eq!(counts(&ledger.proof(&routes(4))), (1, 0, 0, 0));
    assert_eq!(state(), TypeState::Synced);

    ledger.disconnect(StreamId(3), at(7));
    assert_eq!(counts(&ledger.proof(&routes(4))), (0, 1, 0, 0));
    ledger.record(StreamId(1), Record::Apart(Vec::new()), at(8));
    assert_eq!(counts(&ledger.proof(&routes(4))), (1, 0, 0, 0));
}

/// Through a gateway that spreads streams, or by way of another cluster of the bootstrap.
#[test]
fn line_36_streams_of_one_type_are_parts_of_the_proxy_by_whatever_connection_they_come() {
    let ledger = one();
    let apart = ["second", "third"].map(|name| (RDS, Arc::from(name)));
    ledger.record(StreamId(1), Record::Apart(apart.into()), at(1));
    for (stream, name) in [(2, "second"), (3, "third")] {
        ledger.connect(StreamId(stream), proxy_at("a", stream as u16), at(2));
        let named = Record::Named(RDS, vec![name.into()]);
        for record in [Record::Subscribed(RDS), named] {
            ledger.record(StreamId(stream), record, at(2));
        }
    }
    for stream in [1, 2] {
        ledger.record(StreamId(stream), accepted(4), at(3));
    }
    assert_eq!(counts(&ledger.proof(&routes(4))), (0, 1, 0, 0));
    ledger.record(StreamId(3), accepted(4), at(99));
    let proof = ledger.proof(&routes(4));
    assert_eq!((proof.total, counts(&proof)), (1, (1, 0, 0, 0)));
    assert!(!ledger.proxies(&BTreeMap::new())[0].duplicate);
    // It comes again, and the one before was not noticed to be gone.
    ledger.connect(StreamId(4), proxy_at("a", 4), at(100));
    let named = Record::Named(RDS, vec!["third".into()]);
    for record in [Record::Subscribed(RDS), named, accepted(5)] {
        ledger.record(StreamId(4), record, at(100));
    }
    for stream in [1, 2] {
        ledger.record(StreamId(stream), accepted(5), at(101));
    }
    let proof = ledger.proof(&routes(5));
    assert_eq!((proof.total, counts(&proof)), (1, (1, 0, 0, 0)));
}

/// Those of an Envoy with a stream for each type end one by one.
#[test]
fn line_36_what_a_proxy_had_when_it_left_before_is_not_what_it_had_when_it_left_again() {
    let ledger = one();
    ledger.record(StreamId(1), accepted(3), at(1));
    ledger.disconnect(StreamId(1), at(2));
    ledger.connect(StreamId(2), proxy_at("a", 2), at(100));
    ledger.record(StreamId(2), Record::Subscribed(CDS), at(100));
    ledger.connect(StreamId(3), proxy_at("a", 2), at(100));
    ledger.record(StreamId(3), Record::Subscribed(RDS), at(100));
    ledger.record(StreamId(3), accepted(4), at(101));
    for stream in [2, 3] {
        ledger.disconnect(StreamId(stream), at(102));
    }
    assert!(ledger.proof(&routes(4)).is_complete());
}
