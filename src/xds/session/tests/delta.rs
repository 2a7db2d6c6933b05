//! What only delta has: versions per resource, names that come and go, several nonces open at once.

mod asked_again;

use std::collections::BTreeMap;

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn settled(fleet: &Fleet) -> Client {
    Client::settled_in(Mode::Delta, fleet)
}

fn subscribe(list: &[&str]) -> DeltaRequest {
    DeltaRequest {
        subscribe: names(list),
        ..DeltaRequest::default()
    }
}

fn unsubscribe(list: &[&str]) -> DeltaRequest {
    DeltaRequest {
        unsubscribe: names(list),
        ..DeltaRequest::default()
    }
}

#[test]
fn line_08_of_every_type_only_the_changes_are_sent() {
    let mut fleet = Fleet::with_a();
    let mut client = settled(&fleet);
    let change = client.push(fleet.put([
        cluster("a/blue", 2),
        listener("second", 1, &[]),
        routes("unasked", &[("a", true)]),
    ]));
    assert_eq!(
        sent(&change),
        [
            (CDS, names(&["a/blue"])),
            (EDS, names(&["a/blue"])),
            (LDS, names(&["second"])),
        ]
    );
    for type_url in [CDS, EDS, LDS] {
        client.ack(type_url);
    }
    let gone = client.push(fleet.change([], [(LDS, "second")]));
    assert_eq!(removed(&gone), [(LDS, names(&["second"]))]);
    assert_eq!(sent(&gone), [(LDS, vec![])]);
    assert!(accepted(&client.ack(LDS)).contains(&(LDS, rev(3))));
}

#[test]
fn line_10_an_empty_first_request_is_everything_and_a_star_says_so() {
    let fleet = Fleet::with_a();
    for first in [&[][..], &["*"]] {
        let mut client = Client::speaking(Mode::Delta);
        client.push(fleet.newest());
        let all = client.ask(CDS, first);
        assert_eq!(sent(&all), [(CDS, names(&["a/blue", "a/green"]))]);
        client.ack(CDS);
        // The one is as good as the other.
        let star = client.say_delta(CDS, subscribe(&["*"]));
        assert_eq!(
            sent(&star).len(),
            first.len(),
            "asked again, answered again"
        );
    }
    let mut routes = Client::speaking(Mode::Delta);
    routes.push(fleet.newest());
    assert_eq!(sent(&routes.ask(RDS, &[])), [], "of routes it is nothing");
}

#[test]
fn line_10_nothing_at_all_is_answered_too() {
    let mut fleet = Fleet::new();
    let mut client = Client::speaking(Mode::Delta);
    client.push(fleet.put([]));
    assert_eq!(sent(&client.ask(CDS, &[])), [(CDS, vec![])]);
    client.ack(CDS);
    assert_eq!(sent(&client.ask(LDS, &["*"])), [(LDS, vec![])]);
}

#[test]
fn line_10_a_star_that_is_given_up_leaves_the_names_and_then_nothing() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::speaking(Mode::Delta);
    client.push(fleet.newest());
    let all = names(&["a/blue", "a/green"]);
    assert_eq!(sent(&client.ask(CDS, &["*", "a/blue"])), [(CDS, all)]);
    client.ack(CDS);
    let named = client.say_delta(CDS, unsubscribe(&["*"]));
    assert_eq!((sent(&named), removed(&named)), (vec![], vec![]));
    let changed = [cluster("a/blue", 2), cluster("a/green", 2)];
    let news = client.push(fleet.put(changed));
    assert_eq!(sent(&news), [(CDS, names(&["a/blue"]))]);
    client.ack(CDS);
    let none = client.say_delta(CDS, unsubscribe(&["a/blue"]));
    assert_eq!(none.records[0], Record::Unsubscribed(CDS));
    let changed = [cluster("a/blue", 3), cluster("a/green", 3)];
    assert_eq!(sent(&client.push(fleet.put(changed))), []);
}

#[test]
fn line_12_a_client_of_a_newer_revision_gets_nothing_in_delta_either() {
    let fleet = Fleet::with_a();
    let mut client = Client::speaking(Mode::Delta);
    let ahead = [("a/blue".into(), "9-a1b2c3d4a1b2c3d4".into())];
    client.versions.insert(CDS, ahead.into());
    client.push(fleet.newest());
    let shown = client.ask(CDS, &[]);
    assert_eq!(sent(&shown), []);
    assert!(shown.records.contains(&Record::Newer(CDS, rev(9))));
}

/// A content that has not changed, in a store that went back in time: the client must not come with the newer revision again
/// when the server is started without `--accept-older`.
#[test]
fn line_12_what_a_client_has_of_a_newer_revision_is_said_again_in_delta_once_that_is_allowed() {
    let fleet = Fleet::with_a();
    let mut newer = settled(&fleet);
    for version in newer.versions.values_mut().flat_map(BTreeMap::values_mut) {
        let (_, digest) = version.split_once('-').unwrap();
        *version = format!("9-{digest}");
    }
    let accept_older = Options {
        accept_older: true,
        ..Options::default()
    };
    let mut allowed = Client::with(Mode::Delta, accept_older);
    allowed.versions = newer.versions.clone();
    allowed.push(fleet.newest());
    let types = [
        (CDS, &[][..]),
        (EDS, &["a/blue", "a/green"]),
        (LDS, &[]),
        (RDS, &["main"]),
    ];
    for (type_url, list) in types {
        assert_eq!(sent(&allowed.ask(type_url, list)).len(), 1, "{type_url}");
        allowed.ack(type_url);
    }
    let mut started_again = allowed.elsewhere();
    started_again.push(fleet.newest());
    for (type_url, list) in types {
        let resumed = started_again.ask(type_url, list);
        assert_eq!(sent(&resumed), [], "{type_url}");
        assert!(
            accepted(&resumed).contains(&(type_url, rev(1))),
            "{type_url}"
        );
    }
}

/// Envoy rejects a response that names something twice.
#[test]
fn line_18_what_a_client_has_of_a_newer_revision_and_does_not_exist_is_said_to_be_gone_once() {
    let fleet = Fleet::with_a();
    let accept_older = Options {
        accept_older: true,
        ..Options::default()
    };
    let mut client = Client::with(Mode::Delta, accept_older);
    let lost = [("b/blue".into(), "9-a1b2c3d4a1b2c3d4".into())];
    client.versions.insert(EDS, lost.into());
    client.push(fleet.newest());
    let resumed = client.ask(EDS, &["a/blue", "b/blue"]);
    assert_eq!(removed(&resumed), [(EDS, names(&["b/blue"]))]);
}

#[test]
fn line_14_a_reconnect_costs_what_differs_and_names_what_is_gone() {
    let mut fleet = Fleet::with_a();
    fleet.put([runtime("old"), runtime("new")]);
    let mut before = settled(&fleet);
    before.ask(TypeUrl::Runtime, &["old", "new"]);
    before.ack(TypeUrl::Runtime);
    for here in [true, false] {
        let mut client = if here {
            before.reconnected()
        } else {
            before.elsewhere()
        };
        client.push(fleet.newest());
        for (type_url, list) in [
            (CDS, &[][..]),
            (EDS, &["a/blue", "a/green"]),
            (LDS, &[]),
            (RDS, &["main"]),
            (TypeUrl::Runtime, &["old", "new"]),
        ] {
            let resumed = client.ask(type_url, list);
            assert_eq!((sent(&resumed), removed(&resumed)), (vec![], vec![]));
            // The layers counted as accepted when nobody had asked for them yet.
            let counts = accepted(&resumed).contains(&(type_url, rev(2)));
            assert!(counts || type_url == TypeUrl::Runtime, "{type_url}");
        }
    }
    let changed = fleet.change(
        [routes("main", &[("a", true)])],
        [(TypeUrl::Runtime, "old")],
    );
    for here in [true, false] {
        let mut client = if here {
            before.reconnected()
        } else {
            before.elsewhere()
        };
        client.push(changed.clone());
        assert_eq!(sent(&client.ask(CDS, &[])), []);
        assert_eq!(sent(&client.ask(RDS, &["main"])), [(RDS, names(&["main"]))]);
        let layers = client.ask(TypeUrl::Runtime, &["old", "new"]);
        assert_eq!(removed(&layers), [(TypeUrl::Runtime, names(&["old"]))]);
        assert_eq!(sent(&layers), [(TypeUrl::Runtime, vec![])]);
    }
}

#[test]
fn line_15_what_is_asked_for_again_is_answered_again_and_what_does_not_exist_is_named() {
    let mut fleet = Fleet::with_a();
    let mut client = settled(&fleet);
    for _ in 0..2 {
        let again = client.say_delta(EDS, subscribe(&["a/blue", "nowhere"]));
        assert_eq!(sent(&again), [(EDS, names(&["a/blue"]))]);
        assert_eq!(removed(&again), [(EDS, names(&["nowhere"]))]);
        client.ack(EDS);
    }
    let there = client.push(fleet.put([endpoints("nowhere", 1)]));
    assert_eq!(sent(&there), [(EDS, names(&["nowhere"]))]);
    let mut other = Client::speaking(Mode::Delta);
    other.push(fleet.newest());
    let first = other.ask(CDS, &["nobody"]);
    assert_eq!(removed(&first), [(CDS, names(&["nobody"]))]);
}

#[test]
fn line_15_a_route_that_is_held_is_not_called_gone() {
    let mut fleet = Fleet::with_a();
    fleet.put([routes("second", &[("a", true)])]);
    let mut client = Client::speaking(Mode::Delta);
    client.push(fleet.newest());
    client.ask(CDS, &[]);
    let held = client.ask(RDS, &["main", "second"]);
    assert_eq!((sent(&held), removed(&held)), (vec![], vec![]));
    let ready = client.ack(CDS);
    assert_eq!(sent(&ready), [(RDS, names(&["main", "second"]))]);
}

#[test]
fn line_18_a_load_assignment_that_a_cluster_waits_for_is_not_called_gone() {
    let mut fleet = Fleet::with_a();
    let mut client = settled(&fleet);
    client.push(fleet.put([cluster("b/blue", 1)]));
    let asked = client.say_delta(EDS, subscribe(&["b/blue"]));
    assert_eq!(
        removed(&asked),
        [(EDS, names(&["b/blue"]))],
        "it was asked for"
    );
    client.ack(EDS);
    // Sent again, the cluster waits again; nobody has asked.
    let changed = client.push(fleet.put([cluster("b/blue", 2)]));
    assert_eq!(removed(&changed), []);
    let there = client.push(fleet.put([endpoints("b/blue", 1)]));
    assert_eq!(sent(&there), [(EDS, names(&["b/blue"]))]);
}

#[test]
fn line_16_a_name_given_up_beside_a_star_is_told_again() {
    let fleet = Fleet::with_a();
    let mut client = settled(&fleet);
    let there = client.say_delta(CDS, subscribe(&["a/blue", "nobody"]));
    assert_eq!(sent(&there)[0], (CDS, names(&["a/blue"])));
    client.ack(CDS);
    let again = client.say_delta(CDS, unsubscribe(&["a/blue", "nobody", "never"]));
    assert_eq!(sent(&again)[0], (CDS, names(&["a/blue"])));
    assert_eq!(removed(&again), [(CDS, names(&["nobody"]))]);
    client.ack(CDS);
    assert_eq!(sent(&client.say_delta(CDS, unsubscribe(&["a/blue"]))), []);
}

#[test]
fn line_17_subscriptions_count_on_a_stale_nonce_and_on_a_rejection() {
    let mut fleet = Fleet::with_a();
    fleet.put([routes("second", &[("a", true)]), routes("third", &[])]);
    let mut client = settled(&fleet);
    let stale = DeltaRequest {
        nonce: "12345".into(),
        ..subscribe(&["second"])
    };
    assert_eq!(
        sent(&client.say_delta(RDS, stale)),
        [(RDS, names(&["second"]))]
    );
    client.ack(RDS);
    let bad = client.push(fleet.put([routes("main", &[])]));
    let rejection = DeltaRequest {
        nonce: bad.responses[0].nonce.clone(),
        error: Some("no".into()),
        unsubscribe: names(&["second"]),
        ..subscribe(&["third"])
    };
    let both = client.say_delta(RDS, rejection);
    assert_eq!(rejected(&both), [(RDS, rev(3), vec![])]);
    assert_eq!(sent(&both), [(RDS, names(&["third"]))]);
    let unwanted = client.push(fleet.put([routes("second", &[])]));
    assert_eq!(sent(&unwanted), []);
}

#[test]
fn line_17_an_ack_of_a_newer_nonce_does_not_heal_an_earlier_rejection() {
    let mut fleet = Fleet::with_a();
    fleet.put([routes("second", &[("a", false)])]);
    let mut client = settled(&fleet);
    client.ask_again(RDS, &["main", "second"]);
    client.ack(RDS);
    let answer = |nonce: &str, error: Option<&str>| DeltaRequest {
        nonce: nonce.to_owned(),
        error: error.map(str::to_owned),
        ..DeltaRequest::default()
    };
    for newer_first in [true, false] {
        let refused = routes("main", &[(if newer_first { "x" } else { "y" }, true)]);
        let one = client.push(fleet.put([refused])).responses.remove(0);
        let two = client.push(fleet.put([routes("second", &[("a", newer_first)])]));
        let two = two.responses[0].clone();
        let (ack, nack) = (
            answer(&two.nonce, None),
            answer(&one.nonce, Some("no main")),
        );
        let (first, last) = if newer_first {
            (ack, nack)
        } else {
            (nack, ack)
        };
        let first = client.say_delta(RDS, first);
        let last = client.say_delta(RDS, last);
        let all: Vec<_> = [&first, &last].into_iter().flat_map(rejected).collect();
        assert_eq!(all.len(), 1);
        assert!(
            accepted(&first)
                .iter()
                .chain(&accepted(&last))
                .all(|(t, _)| *t != RDS)
        );
        // The refused content is not offered again; another is, and heals it.
        assert_eq!(sent(&client.wait(600)), []);
        let healed = client.push(fleet.put([routes("main", &[("a", newer_first)])]));
        assert_eq!(sent(&healed), [(RDS, names(&["main"]))]);
        assert_eq!(accepted(&client.ack(RDS)).len(), 1);
    }
}

#[test]
fn line_18_only_what_was_told_is_taken_away() {
    let mut fleet = Fleet::with_a();
    fleet.put([cluster("never", 1), routes("unasked", &[])]);
    let mut client = Client::speaking(Mode::Delta);
    client.push(fleet.newest());
    client.ask(CDS, &["a/blue"]);
    client.ack(CDS);
    client.ask(RDS, &["main"]);
    client.ack(RDS);
    let gone = client.push(fleet.change([], [(CDS, "never"), (RDS, "unasked")]));
    assert_eq!((sent(&gone), removed(&gone)), (vec![], vec![]));
    let told = client.push(fleet.change([], [(CDS, "a/blue"), (RDS, "main")]));
    assert_eq!(
        removed(&told),
        [(CDS, names(&["a/blue"])), (RDS, names(&["main"]))]
    );
}

#[test]
fn line_19_what_is_no_longer_declared_goes_after_what_uses_it() {
    let mut fleet = Fleet::with_a();
    fleet.put(
        service("b")
            .into_iter()
            .chain([routes("main", &[("a", false), ("b", false)])]),
    );
    let mut client = settled(&fleet);
    let all = ["a/blue", "a/green", "b/blue", "b/green"];
    client.ask_again(EDS, &all);
    client.ack(EDS);
    let gone = [
        (CDS, "b/blue"),
        (CDS, "b/green"),
        (EDS, "b/blue"),
        (EDS, "b/green"),
    ];
    let push = client.push(fleet.change([routes("main", &[("a", false)])], gone));
    assert_eq!(
        (sent(&push), removed(&push)),
        (vec![(RDS, names(&["main"]))], vec![])
    );
    assert_eq!(client.ack(RDS).responses.len(), 0);
    let over = client.wait(15);
    assert_eq!(
        removed(&over),
        [(CDS, names(&all[2..]))],
        "the load assignments are in use until then"
    );
    let last = client.ack(CDS);
    assert_eq!(removed(&last), [(EDS, names(&all[2..]))]);
    assert!(
        accepted(&push).contains(&(EDS, rev(3))),
        "what is only kept counts as gone"
    );
    assert_eq!(client.ack(EDS).records, []);
}

#[test]
fn line_21_after_a_reconnect_too_a_cluster_that_is_sent_again_brings_its_load_assignment() {
    let mut fleet = Fleet::with_a();
    let before = settled(&fleet);
    fleet.put([cluster("a/green", 2)]);
    for mut client in [before.reconnected(), before.elsewhere()] {
        client.push(fleet.newest());
        assert_eq!(sent(&client.ask(CDS, &[])), [(CDS, names(&["a/green"]))]);
        let endpoints = client.ask(EDS, &["a/blue", "a/green"]);
        assert_eq!(sent(&endpoints), [(EDS, names(&["a/green"]))]);
    }
}

/// A client that reads on and never answers: what it would reject of all this can no longer be told apart.
#[test]
fn a_client_that_answers_nothing_for_minutes_is_to_come_again() {
    let mut fleet = Fleet::with_a();
    let mut client = settled(&fleet);
    let mut responses = 0;
    let mut overdue = false;
    for change in 2..=100 {
        for output in [
            client.push(fleet.put([cluster("a/blue", change)])),
            client.wait(5),
        ] {
            responses += sent(&output).iter().filter(|(url, _)| *url == CDS).count();
            overdue |= output.overdue;
        }
        // It does answer of the endpoints.
        client.ack(EDS);
    }
    assert!(overdue);
    assert_eq!(responses, 64);
    let again = client.ask(LDS, &[]);
    assert!(again.overdue, "it stays so, whatever it says of others");
}
