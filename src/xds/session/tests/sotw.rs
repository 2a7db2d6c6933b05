//! What only state of the world has: lists, a version per type, one answer to several responses, silence about what does
//! not exist.

mod crossing;

use super::*;

#[test]
fn line_06_an_old_nonce_changes_no_subscription_and_accepts_nothing_newer() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::new();
    client.push(fleet.newest());
    let first = client.ask(CDS, &[]).responses.remove(0);
    client.push(fleet.put([cluster("a/blue", 2)]));
    for nonce in [&*first.nonce, "99", "x", "0"] {
        let old = client.say(
            CDS,
            Request {
                nonce: nonce.to_owned(),
                version: first.version(),
                names: vec!["a/green".into()],
                error: None,
            },
        );
        assert_eq!((sent(&old), accepted(&old)), (vec![], vec![]), "{nonce}");
    }
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

/// Its listener and its clusters are in its bootstrap: what it names is always the same.
#[test]
fn line_12_nothing_is_sent_again_of_the_one_type_that_a_client_asks_for_by_name() {
    let fleet = Fleet::with_a();
    for (type_url, name) in [(RDS, "main"), (EDS, "a/blue")] {
        let mut before = Client::new();
        before.push(fleet.newest());
        assert_eq!(sent(&before.ask(type_url, &[name])).len(), 1);
        before.ack(type_url);
        let mut client = before.reconnected();
        client.push(fleet.newest());
        let resumed = client.ask(type_url, &[name]);
        assert_eq!(sent(&resumed), [], "{type_url}");
        assert!(accepted(&resumed).contains(&(type_url, rev(1))));
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
