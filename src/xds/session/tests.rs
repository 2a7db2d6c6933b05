//! The protocol, line by line of the checklist that `docs/architecture.md` links: the number is in the test's name.

mod claims;
mod crossing;
mod delta;
mod grpc;
mod living;
mod mortal;
mod ordering;
mod status;

use super::{testkit::*, *};
use crate::snapshot::{References, Resource};

fn rev(revision: u64) -> Revision {
    Revision(revision)
}

#[test]
fn line_06_a_nonce_is_new_for_every_response_and_an_unknown_one_is_ignored() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::new();
    client.push(fleet.newest());
    let first = client.ask(CDS, &[]);
    let second = client.push(fleet.put([cluster("a/blue", 2)]));
    assert_ne!(first.responses[0].nonce, second.responses[0].nonce);
    for nonce in ["99", "x", "0"] {
        let stale = Request {
            nonce: nonce.into(),
            names: vec!["other".into()],
            version: fleet.version(CDS),
            error: None,
        };
        let ignored = client.say(CDS, stale);
        assert!(ignored.responses.is_empty() && ignored.records.is_empty());
    }
    assert_eq!(accepted(&client.ack(CDS)), [(CDS, rev(2))]);
}

#[test]
fn line_06_an_old_nonce_changes_no_subscription_and_accepts_nothing_newer() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::new();
    client.push(fleet.newest());
    let first = client.ask(CDS, &[]).responses.remove(0);
    client.push(fleet.put([cluster("a/blue", 2)]));
    let old = client.say(
        CDS,
        Request {
            nonce: first.nonce.clone(),
            version: first.version(),
            names: vec!["a/green".into()],
            error: None,
        },
    );
    assert_eq!((sent(&old), accepted(&old)), (vec![], vec![]));
    let newer = client.push(fleet.put([cluster("a/blue", 3)]));
    assert_eq!(
        sent(&newer),
        [(CDS, vec!["a/blue".into(), "a/green".into()])],
        "still everything"
    );
}

#[test]
fn line_06_a_rejection_that_crosses_the_next_response_is_not_lost() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    let bad = client
        .push(fleet.put([routes("main", &[])]))
        .responses
        .remove(0);
    client.push(fleet.put([routes("main", &[("a", true)])]));
    let crossed = client.say(
        RDS,
        Request {
            nonce: bad.nonce,
            version: client.version[&RDS].clone(),
            names: vec!["main".into()],
            error: Some("no".into()),
        },
    );
    assert_eq!(rejected(&crossed), [(RDS, rev(2), vec![])]);
    assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(3))]);
}

#[test]
fn line_07_one_answer_for_a_bad_response_and_its_fix_is_an_error_and_an_ack() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.push(fleet.put([cluster("bad", 1)]));
    let fix = client
        .push(fleet.change([], [(CDS, "bad")]))
        .responses
        .remove(0);
    let coalesced = client.say(
        CDS,
        Request {
            nonce: fix.nonce.clone(),
            version: fix.version(),
            names: vec![],
            error: Some("Error adding/updating cluster(s) bad: nonsense".into()),
        },
    );
    assert_eq!(rejected(&coalesced), [(CDS, rev(2), vec!["bad".into()])]);
    assert_eq!(accepted(&coalesced), [(CDS, rev(3))]);
    assert_eq!(sent(&coalesced), []);
}

#[test]
fn line_07_a_rejected_response_is_never_sent_again() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.push(fleet.put([routes("main", &[])]));
    assert_eq!(sent(&client.nack(RDS, "no routes")), []);
    assert_eq!(sent(&client.wait(600)), []);
    assert_eq!(sent(&client.push(fleet.put([runtime("other")]))), []);
    let fixed = client.push(fleet.put([routes("main", &[("a", true)])]));
    assert_eq!(sent(&fixed), [(RDS, vec!["main".into()])]);
    assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(4))]);
    // It comes back word for word, in a later revision: the proxy has said what it thinks of it.
    let again = client.push(fleet.put([routes("main", &[])]));
    assert_eq!(sent(&again), []);
    assert_eq!(rejected(&again), [(RDS, rev(5), vec![])]);
    // What else comes is no affair of the refused one.
    assert_eq!(rejected(&client.push(fleet.put([cluster("b", 1)]))), []);
}

#[test]
fn line_07_a_type_goes_on_while_another_is_rejected() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.push(fleet.put([listener("broken", 1, &[])]));
    client.nack(LDS, "broken: cannot bind");
    let switch = client.push(fleet.put([routes("main", &[("a", true)])]));
    assert_eq!(sent(&switch), [(RDS, vec!["main".into()])]);
    assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(3))]);
}

#[test]
fn line_08_clusters_and_listeners_come_whole_and_routes_and_endpoints_as_they_change() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    let change = client.push(fleet.put([
        cluster("a/blue", 2),
        endpoints("a/green", 2),
        listener("second", 1, &[]),
        routes("unasked", &[("a", true)]),
    ]));
    assert_eq!(
        sent(&change),
        [
            (CDS, vec!["a/blue".into(), "a/green".into()]),
            (EDS, vec!["a/blue".into(), "a/green".into()]),
            (LDS, vec!["main".into(), "second".into()]),
        ]
    );
    for type_url in [CDS, EDS, LDS] {
        client.ack(type_url);
    }
    let gone = client.push(fleet.change([], [(LDS, "second")]));
    assert_eq!(sent(&gone), [(LDS, vec!["main".into()])]);
}

#[test]
fn line_08_the_good_part_of_a_rejected_response_is_booked_and_the_bad_one_left_out_of_the_next() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.push(fleet.put(service("b").into_iter().chain([cluster("bad", 1)])));
    let part = client.nack(CDS, "Error adding/updating cluster(s) bad: nonsense");
    assert_eq!(rejected(&part), [(CDS, rev(2), vec!["bad".into()])]);
    assert_eq!(sent(&part), []);
    // Routes to the good clusters go out; what needs the bad one does not.
    let routed = client.push(fleet.put([routes("main", &[("a", false), ("b", false)])]));
    assert_eq!(sent(&routed), [(RDS, vec!["main".into()])]);
    let next = client.push(fleet.put([cluster("a/blue", 2)]));
    let whole = ["a/blue", "a/green", "b/blue", "b/green"].map(String::from);
    assert_eq!(sent(&next)[0], (CDS, whole.to_vec()));
    // That is not all of the revision, and is not called so.
    assert_eq!(accepted(&client.ack(CDS)), []);
}

#[test]
fn line_08_what_a_client_had_is_told_again_if_nobody_knows_which_part_it_rejected() {
    let mut fleet = Fleet::with_a();
    fleet.put([routes("second", &[("a", false)])]);
    let mut client = Client::settled(&fleet);
    client.ask_again(RDS, &["main", "second"]);
    client.ack(RDS);
    client.push(fleet.put([routes("main", &[("a", true)]), routes("second", &[])]));
    // Envoy may have flipped `main` before it refused `second`.
    let back = client.nack(RDS, "no routes");
    assert_eq!(sent(&back), [(RDS, vec!["main".into(), "second".into()])]);
    assert!(!green(back.responses[0].resource(0))["a"]);
    client.ack(RDS);
    let next = client.push(fleet.put([routes("second", &[("a", true)])]));
    assert_eq!(sent(&next), [(RDS, vec!["main".into(), "second".into()])]);
    assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(4))]);
}

#[test]
fn line_09_a_newly_subscribed_name_is_sent_unchanged() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.push(fleet.put(service("b")));
    let grown = client.ask_again(EDS, &["a/blue", "a/green", "b/blue", "b/green"]);
    assert_eq!(
        sent(&grown),
        [(EDS, vec!["b/blue".into(), "b/green".into()])]
    );
    client.ack(EDS);
    client.ask_again(EDS, &["a/blue"]);
    let back = client.ask_again(EDS, &["a/blue", "b/blue"]);
    assert_eq!(sent(&back), [(EDS, vec!["b/blue".into()])]);
}

#[test]
fn line_10_no_names_at_first_are_all_and_none_after_names_are_none() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::new();
    client.push(fleet.newest());
    let named = client.ask(CDS, &["a/blue"]);
    assert_eq!(sent(&named), [(CDS, vec!["a/blue".into()])]);
    client.ack(CDS);
    let none = client.ask_again(CDS, &[]);
    assert_eq!(none.records, [Record::Unsubscribed(CDS)]);
    assert_eq!(sent(&client.push(fleet.put([cluster("a/blue", 2)]))), []);
    let star = client.ask_again(CDS, &["*"]);
    assert_eq!(
        sent(&star),
        [(CDS, vec!["a/blue".into(), "a/green".into()])]
    );
}

#[test]
fn line_11_an_ack_with_other_names_is_both() {
    let fleet = Fleet::with_a();
    let mut client = Client::new();
    client.push(fleet.newest());
    client.ask(EDS, &["a/blue"]);
    client.version.insert(EDS, fleet.version(EDS));
    let both = client.ask_again(EDS, &["a/blue", "a/green"]);
    assert_eq!(sent(&both), [(EDS, vec!["a/green".into()])]);
    assert_eq!(accepted(&client.ack(EDS)), [(EDS, rev(1))]);
}

#[test]
fn line_12_after_a_reconnect_nothing_is_sent_of_what_the_client_has() {
    let mut fleet = Fleet::with_a();
    let before = Client::settled(&fleet);
    fleet.put([routes("main", &[("a", true)])]);
    let mut client = Client::new();
    client.version = before.version.clone();
    client.push(fleet.newest());
    for type_url in [CDS, LDS] {
        let resumed = client.ask(type_url, &[]);
        assert_eq!(sent(&resumed), []);
        assert!(accepted(&resumed).contains(&(type_url, rev(2))));
    }
    let flipped = client.ask(RDS, &["main"]);
    assert_eq!(sent(&flipped), [(RDS, vec!["main".into()])]);
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
fn line_12_a_name_that_was_never_answered_is_sent_after_a_reconnect() {
    let mut fleet = Fleet::with_a();
    let mut before = Client::settled(&fleet);
    before.push(fleet.put([routes("second", &[("a", false)])]));
    // It asked for another name, and the stream broke before the answer: its version is still the newest it saw.
    let mut client = Client::new();
    client.version = before.version.clone();
    client.push(fleet.newest());
    client.ask(CDS, &[]);
    let asked = client.ask(RDS, &["main", "second"]);
    assert_eq!(sent(&asked), [(RDS, vec!["main".into(), "second".into()])]);
}

#[test]
fn line_12_a_version_never_stands_for_two_contents() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    let whole = fleet.version(RDS);
    client.push(fleet.put(service("b")));
    client.push(fleet.put([routes("main", &[("a", true), ("b", false)])]));
    let held = client.session_version(RDS);
    assert_ne!(held, whole);
    assert_ne!(held, fleet.version(RDS), "a part of it is held");
    let ready = client.ack(CDS);
    assert_eq!(sent(&ready), [(RDS, vec!["main".into()])]);
    assert_eq!(ready.responses[0].version(), fleet.version(RDS));
}

#[test]
fn line_12_a_client_of_a_newer_revision_gets_nothing_until_it_is_passed() {
    let mut fleet = Fleet::with_a();
    let shown = "3-a1b2c3d4".to_owned();
    let mut client = Client::new();
    client.version.insert(CDS, shown.clone());
    client.push(fleet.newest());
    let ahead = client.ask(CDS, &[]);
    assert_eq!(sent(&ahead), []);
    assert!(ahead.records.contains(&Record::Newer(CDS, rev(3))));
    assert_eq!(sent(&client.ask(LDS, &[])), []);
    fleet.put([cluster("a/blue", 2)]);
    assert_eq!(sent(&client.push(fleet.put([cluster("a/blue", 3)]))), []);
    let passed = client.push(fleet.put([cluster("a/blue", 4)]));
    assert_eq!(sent(&passed).len(), 2);

    let mut allowed = Client::with(
        Mode::Sotw,
        Options {
            accept_older: true,
            ..Options::default()
        },
    );
    allowed.version.insert(CDS, "9-a1b2c3d4".into());
    allowed.push(fleet.newest());
    assert_eq!(sent(&allowed.ask(CDS, &[])).len(), 1);
}

#[test]
fn line_13_what_does_not_exist_is_absent_or_unanswered_but_for_a_runtime_layer() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::new();
    client.push(fleet.newest());
    assert_eq!(sent(&client.ask(CDS, &["nowhere"])), [(CDS, vec![])]);
    assert_eq!(sent(&client.ask(RDS, &["nowhere"])), []);
    assert_eq!(sent(&client.ask(EDS, &["nowhere"])), []);
    let layer = client.ask(TypeUrl::Runtime, &["bluegreen"]);
    assert_eq!(sent(&layer), [(TypeUrl::Runtime, vec!["bluegreen".into()])]);
    use envoy_types::pb::envoy::service::runtime::v3::Runtime;
    let empty: Runtime = prost::Message::decode(&layer.responses[0].resource(0).bytes[..]).unwrap();
    assert_eq!((&*empty.name, empty.layer), ("bluegreen", None));
    client.ack(TypeUrl::Runtime);
    let real = client.push(fleet.put([runtime("bluegreen")]));
    assert_eq!(sent(&real), [(TypeUrl::Runtime, vec!["bluegreen".into()])]);
    let now = client.push(fleet.put([routes("nowhere", &[])]));
    assert_eq!(sent(&now), [(RDS, vec!["nowhere".into()])]);
}

#[test]
fn line_05_a_client_that_does_not_answer_gets_few_responses_and_then_the_newest() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    let responses = (0..11)
        .map(|n| client.push(fleet.put([routes("main", &[("a", n % 2 == 0)])])))
        .map(|output| output.responses.len())
        .sum::<usize>();
    assert_eq!(responses, 2);
    // The client may wait for what is in the next one: after a while another goes out.
    assert_eq!(client.session.next_deadline(), Some(at(5)));
    let paced = client.wait(5);
    assert_eq!(paced.responses[0].version(), fleet.version(RDS));
    assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(12))]);
    assert_eq!(client.session.next_deadline(), None);
}

#[test]
fn line_01_a_stream_without_a_fleet_waits_and_is_served_when_there_is_one() {
    let fleet = Fleet::with_a();
    let mut client = Client::new();
    assert_eq!(sent(&client.ask(CDS, &[])), []);
    assert_eq!(sent(&client.push(fleet.newest())).len(), 1);
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
    client.nack(CDS, "cluster(s) bad: nonsense");
    assert_eq!(sent(&client.ask(LDS, &[])), [], "its only listener is held");
}

impl Client {
    /// The version of the newest response of a type.
    fn session_version(&mut self, type_url: TypeUrl) -> String {
        self.ack(type_url);
        self.version[&type_url].clone()
    }
}
