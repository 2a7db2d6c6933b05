//! The protocol, line by line of the checklist in `docs/testing.md`: the number is in the test's name.

mod claims;
mod delta;
mod emptied;
mod extensions;
mod grpc;
mod hosts;
mod living;
mod mortal;
mod ordering;
mod referred;
mod sotw;
mod status;
mod whole;

use std::collections::BTreeSet;

use super::{testkit::*, *};
use crate::snapshot::{References, Resource};

fn rev(revision: u64) -> Revision {
    Revision(revision)
}

#[test]
fn line_06_a_nonce_is_new_for_every_response_and_an_unknown_one_accepts_nothing() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::speaking(mode);
        client.push(fleet.newest());
        let mut outputs = vec![client.ask(CDS, &[])];
        client.ack(CDS);
        outputs.push(client.ask(LDS, &[]));
        outputs.push(client.push(fleet.put([cluster("a/blue", 2)])));
        let responses = outputs.iter().flat_map(|output| &output.responses);
        let nonces: Vec<&str> = responses.map(|response| &*response.nonce).collect();
        assert_eq!(nonces.len(), 3, "{mode:?}");
        assert_eq!(BTreeSet::from_iter(&nonces).len(), 3, "{nonces:?}");
        for nonce in ["99", "x", "0"] {
            let ignored = client.answer(CDS, nonce, None);
            assert!(ignored.responses.is_empty() && ignored.records.is_empty());
        }
        assert_eq!(accepted(&client.ack(CDS)), [(CDS, rev(2))], "{mode:?}");
    }
}

#[test]
fn line_07_a_rejected_response_is_never_sent_again() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put([routes("main", &[])]));
        assert_eq!(sent(&client.nack(RDS, "no routes")), []);
        assert_eq!(sent(&client.wait(600)), []);
        assert_eq!(sent(&client.push(fleet.put([runtime("other")]))), []);
        let fixed = client.push(fleet.put([routes("main", &[("a", true)])]));
        assert_eq!(sent(&fixed), [(RDS, vec!["main".into()])]);
        assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(4))]);
        // It comes back word for word, in a later revision: the proxy has said what it thinks of it.
        let again = client.push(fleet.put([routes("main", &[])]));
        assert_eq!(sent(&again), [], "{mode:?}");
        assert_eq!(rejected(&again), [(RDS, rev(5), vec![])], "{mode:?}");
        // What else comes is no affair of the refused one.
        assert_eq!(rejected(&client.push(fleet.put([cluster("b", 1)]))), []);
    }
}

/// A new fleet whose first document is bad, and is taken back.
#[test]
fn line_36_who_rejected_the_first_list_is_in_step_once_nothing_is_left_of_it() {
    for mode in MODES {
        for (type_url, bad) in [(CDS, cluster("bad", 1)), (LDS, listener("bad", 1, &[]))] {
            let mut fleet = Fleet::new();
            let mut client = Client::speaking(mode);
            client.push(fleet.put([bad]));
            let first = client.ask(type_url, &[]);
            assert_eq!(sent(&first), [(type_url, vec!["bad".into()])], "{mode:?}");
            client.nack(type_url, "bad: nonsense");
            let without = client.push(fleet.change([], [(type_url, "bad")]));
            let in_step = accepted(&without).contains(&(type_url, fleet.0.revision));
            assert!(in_step, "{mode:?} {without:?}");
        }
    }
}

#[test]
fn line_07_what_comes_back_before_its_rejection_has_arrived_is_rejected_with_it() {
    for mode in MODES {
        for is_sent in [false, true] {
            let mut fleet = Fleet::with_a();
            let mut client = Client::settled_in(mode, &fleet);
            let bad = client.push(fleet.put([routes("main", &[])]));
            let fix = client.push(fleet.put([routes("main", &[("a", true)])]));
            let mut back = client.push(fleet.put([routes("main", &[])]));
            if is_sent {
                back = client.wait(5);
            }
            assert_eq!(back.responses.len(), usize::from(is_sent), "{mode:?}");
            let no = client.answer(RDS, &bad.responses[0].nonce, Some("main: no routes"));
            let main = vec!["main".to_owned()];
            let both = [(RDS, rev(2), main.clone()), (RDS, rev(4), main)];
            assert_eq!(rejected(&no), both, "{mode:?}, sent: {is_sent}");
            client.answer(RDS, &fix.responses[0].nonce, None);
            if let Some(back) = back.responses.first() {
                let no = client.answer(RDS, &back.nonce, Some("main: no routes"));
                assert_eq!(rejected(&no), [], "{mode:?}: it is known");
            }
        }
    }
}

/// The revisions of which the weights were recorded.
fn weighted(output: &Output) -> Vec<Revision> {
    let weighted = output.records.iter().filter_map(|record| match record {
        Record::Weighted(revision) => Some(*revision),
        _ => None,
    });
    weighted.collect()
}

/// What the client refused comes back while the content in between is on its way, or warms: to choose between that and the one before
/// by what was answered last was an endless back and forth.
#[test]
fn line_07_what_comes_back_while_the_content_in_between_is_on_its_way_is_not_answered_with_the_one_before()
 {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put([routes("main", &[])]));
        client.nack(RDS, "no routes");
        let between = client.push(fleet.put([routes("main", &[("a", true)])]));
        assert_eq!(sent(&between), [(RDS, vec!["main".into()])], "{mode:?}");
        let back = client.push(fleet.put([routes("main", &[])]));
        assert_eq!(sent(&back), [], "{mode:?}");
        assert_eq!(rejected(&back), [(RDS, rev(4), vec![])], "{mode:?}");
        assert_eq!(sent(&client.ack(RDS)), [], "{mode:?}");
        assert_eq!(sent(&client.wait(600)), [], "{mode:?}");
        // The same of what was not there before.
        client.push(fleet.put([cluster("bad", 7)]));
        client.nack(CDS, "Error adding/updating cluster(s) bad: no");
        client.push(fleet.change([], [(CDS, "bad")]));
        client.push(fleet.put([cluster("bad", 1)]));
        let back = client.push(fleet.put([cluster("bad", 7)]));
        assert_eq!(sent(&back), [], "{mode:?}");
        assert_eq!(sent(&client.ack(CDS)), [], "{mode:?}");
        assert_eq!(sent(&client.wait(600)), [], "{mode:?}");
    }
}

#[test]
fn line_07_a_switch_is_proven_beside_routes_that_are_rejected() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::with_second(mode, &mut fleet);
        client.push(fleet.put([routes("second", &[])]));
        client.nack(RDS, "no routes");
        let switch = client.push(fleet.put([routes("main", &[("a", true)])]));
        assert_eq!(sent(&switch), [(RDS, vec!["main".into()])], "{mode:?}");
        let done = client.ack(RDS);
        assert_eq!(
            (accepted(&done), weighted(&done)),
            (vec![], vec![rev(4)]),
            "{mode:?}"
        );
    }
}

#[test]
fn line_36_a_route_that_comes_with_the_same_weights_is_not_proven_before_it_is_there() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put([cluster("p/blue", 1), cluster("p/green", 1)]));
        client.ack(CDS);
        let (a, p, b) = (("a", false), ("p", false), ("b", false));
        // These do not warm.
        let unready = [cluster("b/blue", 1), cluster("b/green", 1)];
        client.push(fleet.put(unready));
        client.push(fleet.put([routes("main", &[a, b])]));
        let new_route = client.push(fleet.put([routes("main", &[a, p, b])]));
        assert_eq!(sent(&new_route), [(RDS, vec!["main".into()])], "{mode:?}");
        assert_eq!(weighted(&new_route), [], "{mode:?}: it is on its way");
        let there = client.ack(RDS);
        assert_eq!(weighted(&there), [fleet.newest().revision], "{mode:?}");
    }
}

/// The weights of service `a` that a response brings, by route configuration: whether they are green's.
fn weights_of_a(output: &Output) -> Vec<(String, bool)> {
    let responses = output.responses.iter();
    let resources = responses.flat_map(|response| &response.message.resources);
    resources
        .map(|item| (item.resource.name.to_string(), green(&item.resource)["a"]))
        .collect()
}

#[test]
fn line_07_a_switch_that_comes_again_goes_out_beside_routes_that_stay_rejected() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::with_second(mode, &mut fleet);
        let second = || vec!["second".to_owned()];
        let to = |green: bool| {
            let twice = [("a", green), ("a", green)];
            [routes("main", &twice[1..]), routes("second", &twice)]
        };
        for round in 0..3 {
            for green in [true, false] {
                let pushed = client.push(fleet.put(to(green)));
                let known = round > 0;
                // Each is tried once. The good part of it comes whenever it does, and the bad one is called what it is.
                let says = match known {
                    true => rejected(&pushed),
                    false => rejected(&client.nack(RDS, "second: a host is there twice")),
                };
                assert_eq!(says, [(RDS, fleet.0.revision, second())], "{mode:?}");
                let mut brought = vec![("main".to_owned(), green)];
                brought.extend((!known).then(|| ("second".to_owned(), green)));
                assert_eq!(weights_of_a(&pushed), brought, "{mode:?}, {round}");
                client.ack(RDS);
                assert_eq!(sent(&client.wait(600)), [], "{mode:?}, {round}");
            }
        }
    }
}

#[test]
fn line_07_what_a_rejected_resource_refers_to_is_not_waited_for() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let second = listener("second", 1, &["second"]);
        client.push(fleet.put([second, routes("second", &[("a", false)])]));
        client.nack(LDS, "second: cannot bind");
        // The proxy never asks for the routes of a listener that it does not have.
        client.push(fleet.put([routes("main", &[("a", true)])]));
        assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(3))], "{mode:?}");
        // Once it takes the listener, its routes count.
        client.push(fleet.put([listener("second", 2, &["second"])]));
        client.ack(LDS);
        client.push(fleet.put([routes("main", &[("a", false)])]));
        assert_eq!(accepted(&client.ack(RDS)), [], "{mode:?}");
    }
}

#[test]
fn line_07_a_type_goes_on_while_another_is_rejected() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put([listener("broken", 1, &[])]));
        client.nack(LDS, "broken: cannot bind");
        let switch = client.push(fleet.put([routes("main", &[("a", true)])]));
        assert_eq!(sent(&switch), [(RDS, vec!["main".into()])]);
        assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(3))], "{mode:?}");
    }
}

#[test]
fn line_08_the_good_part_of_a_rejected_response_is_booked_and_the_bad_one_left_out_of_the_next() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put(service("b").into_iter().chain([cluster("bad", 1)])));
        let part = client.nack(CDS, "Error adding/updating cluster(s) bad: nonsense");
        assert_eq!(rejected(&part), [(CDS, rev(2), vec!["bad".into()])]);
        assert_eq!(sent(&part), []);
        // Routes to the good clusters go out; what needs the bad one does not.
        let routed = client.push(fleet.put([routes("main", &[("a", false), ("b", false)])]));
        assert_eq!(sent(&routed), [(RDS, vec!["main".into()])], "{mode:?}");
        let next = client.push(fleet.put([cluster("a/blue", 2)]));
        let news = match mode {
            Mode::Sotw => vec!["a/blue", "a/green", "b/blue", "b/green"],
            Mode::Delta => vec!["a/blue"],
        };
        assert_eq!(sent(&next)[0].1, news, "{mode:?}");
        // That is not all of the revision, and is not called so.
        assert_eq!(accepted(&client.ack(CDS)), [], "{mode:?}");
    }
}

#[test]
fn line_08_what_a_client_had_is_told_again_if_nobody_knows_which_part_it_rejected() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::with_second(mode, &mut fleet);
        client.push(fleet.put([routes("main", &[("a", true)]), routes("second", &[])]));
        // Envoy may have flipped `main` before it refused `second`.
        let back = client.nack(RDS, "no routes");
        let both = [(RDS, vec!["main".into(), "second".into()])];
        assert_eq!(sent(&back), both, "{mode:?}");
        assert!(!green(back.responses[0].resource(0))["a"]);
        client.ack(RDS);
        let next = client.push(fleet.put([routes("second", &[("a", true)])]));
        assert_eq!(sent(&next), both, "{mode:?}");
        assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(4))], "{mode:?}");
    }
}

#[test]
fn line_09_a_newly_subscribed_name_is_sent_unchanged() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put(service("b")));
        let grown = client.ask_again(EDS, &["a/blue", "a/green", "b/blue", "b/green"]);
        let new = ["b/blue", "b/green"].map(String::from).to_vec();
        assert_eq!(sent(&grown), [(EDS, new)], "{mode:?}");
        client.ack(EDS);
        client.ask_again(EDS, &["a/blue"]);
        let back = client.ask_again(EDS, &["a/blue", "b/blue"]);
        assert_eq!(sent(&back), [(EDS, vec!["b/blue".into()])], "{mode:?}");
    }
}

#[test]
fn line_11_an_ack_with_other_names_is_both() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        fleet.put([routes("second", &[("a", false)])]);
        let switch = client.push(fleet.put([routes("main", &[("a", true)])]));
        assert_eq!(sent(&switch), [(RDS, vec!["main".into()])]);
        let both = client.ack_and_ask(RDS, "second");
        assert_eq!(sent(&both), [(RDS, vec!["second".into()])], "{mode:?}");
        // Were the first response still open, the answer to the second would leave it so in delta.
        assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(3))], "{mode:?}");
    }
}

#[test]
fn line_12_after_a_reconnect_load_assignments_are_sent_only_where_a_cluster_may_wait_for_them() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut before = Client::settled_in(mode, &fleet);
        let both = ["a/blue", "a/green"];
        let mut client = before.elsewhere();
        client.push(fleet.newest());
        assert_eq!(sent(&client.ask(CDS, &[])), []);
        let none = client.ask(EDS, &both);
        assert_eq!(
            (sent(&none), accepted(&none)),
            (vec![], vec![(EDS, rev(1))])
        );

        // A cluster changes, and the stream breaks before its load assignment comes: Envoy waits for it again.
        before.push(fleet.put([cluster("a/green", 2)]));
        before.ack(CDS);
        let mut client = before.elsewhere();
        client.push(fleet.newest());
        assert_eq!(sent(&client.ask(CDS, &[])), []);
        let again = client.ask(EDS, &both);
        let waiting = match mode {
            Mode::Sotw => vec!["a/blue".into(), "a/green".into()],
            Mode::Delta => vec!["a/green".into()],
        };
        assert_eq!(sent(&again), [(EDS, waiting)], "{mode:?}");
    }
}

#[test]
fn line_12_a_version_never_stands_for_two_contents() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let whole = client.version_of_routes();
        client.push(fleet.put(service("b")));
        client.push(fleet.put([routes("main", &[("a", true), ("b", false)])]));
        client.ack(RDS);
        let held = client.version_of_routes();
        let ready = client.ack(CDS);
        assert_eq!(sent(&ready), [(RDS, vec!["main".into()])]);
        client.ack(RDS);
        let all = client.version_of_routes();
        assert!(
            held != whole && held != all && all != whole,
            "a part of it is held: {mode:?}"
        );
        if mode == Mode::Sotw {
            assert_eq!(all, fleet.version(RDS));
        }
    }
}

#[test]
fn line_05_a_client_that_does_not_answer_gets_few_responses_and_then_the_newest() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let responses = (0..11)
            .map(|n| client.push(fleet.put([routes("main", &[("a", n % 2 == 0)])])))
            .map(|output| output.responses.len())
            .sum::<usize>();
        assert_eq!(responses, 2, "{mode:?}");
        // The client may wait for what is in the next one: after a while another goes out.
        assert_eq!(client.session.next_deadline(), Some(at(5)));
        let paced = client.wait(5);
        assert!(green(paced.responses[0].resource(0))["a"], "{mode:?}");
        assert_eq!(paced.responses[0].version(), fleet.version(RDS));
        if mode == Mode::Sotw {
            assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(12))]);
        }
    }
}

#[test]
fn line_01_a_stream_without_a_fleet_waits_and_is_served_when_there_is_one() {
    for mode in MODES {
        let fleet = Fleet::with_a();
        let mut client = Client::speaking(mode);
        assert_eq!(sent(&client.ask(CDS, &[])), []);
        assert_eq!(sent(&client.push(fleet.newest())).len(), 1, "{mode:?}");
    }
}

#[test]
fn line_36_in_sync_is_what_was_accepted_and_does_not_wait_for_hosts() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let none = Resource::new(EDS, "a/green", "none".into(), References::default());
        client.push(fleet.put([none, routes("main", &[("a", true)])]));
        let accepts = |output: Output, type_url| accepted(&output).contains(&(type_url, rev(2)));
        // Whether a request goes through is for a probe to say.
        assert!(
            !accepts(client.wait(1), RDS),
            "{mode:?}: it has said nothing"
        );
        assert!(accepts(client.ack(RDS), RDS), "{mode:?}");
        assert!(accepts(client.ack(EDS), EDS), "{mode:?}");
    }
}

#[test]
fn an_empty_fleet_is_answered_and_one_that_is_not_empty_never_looks_so() {
    let mut fleet = Fleet::new();
    let mut client = Client::new();
    client.push(fleet.put([]));
    assert_eq!(sent(&client.ask(CDS, &[])), [(CDS, vec![])]);

    let mut client = Client::new();
    client.push(fleet.put([cluster("bad", 1), tcp_listener("tcp", "bad")]));
    client.ask(CDS, &[]);
    client.nack(CDS, "Error adding/updating cluster(s) bad: nonsense");
    assert_eq!(sent(&client.ask(LDS, &[])), [], "its only listener is held");
}

impl Client {
    /// The version under which it has its route configuration.
    fn version_of_routes(&self) -> String {
        let of_list = || self.version[&RDS].clone();
        let versions = self.versions.get(&RDS);
        versions.map_or_else(of_list, |versions| versions["main"].clone())
    }
}
