//! Names that a client asks for again, and answers to them that it rejects, or that cross with what it gives up.

use super::*;

/// Envoy that makes a cluster anew asks again for what it had of it. It takes nothing of a response with a load assignment that
/// is invalid.
#[test]
fn line_15_what_is_asked_for_again_is_said_again_after_a_rejection_that_was_about_another() {
    let mut fleet = Fleet::with_a();
    fleet.put([endpoints("bad", 1)]);
    for error in ["malformed IP address: localhost", "bad: malformed"] {
        for given_up in [&[][..], &["a/blue"]] {
            let mut client = settled(&fleet);
            let both = DeltaRequest {
                unsubscribe: names(given_up),
                ..subscribe(&["a/blue", "bad"])
            };
            let again = client.say_delta(EDS, both);
            assert_eq!(sent(&again), [(EDS, names(&["a/blue", "bad"]))]);
            let rejected = client.nack(EDS, error);
            assert_eq!(sent(&rejected), [(EDS, names(&["a/blue"]))], "{error}");
            assert_eq!(sent(&client.ack(EDS)), [], "{error}");
        }
    }
}

/// What it had it has dropped: that it has accepted it before proves nothing.
#[test]
fn line_15_what_is_asked_for_again_and_rejected_is_answered_with_what_was_there_before() {
    let mut fleet = Fleet::with_a();
    let mut client = settled(&fleet);
    let one = client.push(fleet.put([endpoints("a/green", 2)]));
    let two = client.push(fleet.put([endpoints("a/green", 3)]));
    // There is no room for more: what is asked for again waits, and goes out as something else.
    client.push(fleet.put([endpoints("a/blue", 66)]));
    assert_eq!(sent(&client.say_delta(EDS, subscribe(&["a/blue"]))), []);
    let bad = client.answer(EDS, &one.responses[0].nonce, None);
    assert_eq!(sent(&bad), [(EDS, names(&["a/blue"]))]);
    client.answer(EDS, &two.responses[0].nonce, None);
    let before = client.nack(EDS, "a/blue: malformed");
    assert_eq!(sent(&before), [(EDS, names(&["a/blue"]))]);
    assert_eq!(
        before.responses[0].resource(0).digest,
        endpoints("a/blue", 1).digest
    );
    let good = client.push(fleet.put([endpoints("a/blue", 1)]));
    assert_eq!(sent(&good), []);
    let eds = accepted(&good).iter().any(|(url, _)| *url == EDS);
    assert!(!eds, "what is on its way may be rejected too");
    assert!(accepted(&client.ack(EDS)).contains(&(EDS, rev(5))));
}

/// A client takes what it wants when it reads it, whatever it wanted when that was sent.
#[test]
fn line_17_what_is_given_up_and_asked_for_again_while_it_is_on_its_way_is_taken_away_once_it_is_gone()
 {
    let mut fleet = Fleet::with_a();
    fleet.put([routes("second", &[])]);
    let mut client = settled(&fleet);
    let first = client.say_delta(RDS, subscribe(&["second"]));
    client.say_delta(RDS, unsubscribe(&["second"]));
    let bad = client.push(fleet.put([routes("second", &[("a", true)])]));
    assert_eq!(sent(&bad), []);
    let bad = client.say_delta(RDS, subscribe(&["second"]));
    assert_eq!(sent(&bad), [(RDS, names(&["second"]))]);
    client.answer(RDS, &first.responses[0].nonce, None);
    client.nack(RDS, "second: no");
    let gone = client.push(fleet.change([], [(RDS, "second")]));
    assert_eq!(removed(&gone), [(RDS, names(&["second"]))]);
}
