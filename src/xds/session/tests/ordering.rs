//! In which order a proxy gets what: additions before what refers to them, removals after, and nothing held for ever.

use super::*;

#[test]
fn line_19_additions_go_out_in_order_and_a_route_waits_for_its_clusters() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let added = service("b").into_iter().chain([
            endpoints("a/blue", 2),
            listener("main", 2, &["main"]),
            routes("main", &[("a", false), ("b", false)]),
        ]);
        let types: Vec<TypeUrl> = sent(&client.push(fleet.put(added)))
            .into_iter()
            .map(|(type_url, _)| type_url)
            .collect();
        assert_eq!(types, [CDS, EDS, LDS]);
        let warm = client.ack(CDS);
        assert_eq!(sent(&warm), [(RDS, vec!["main".into()])]);
    }
}

#[test]
fn line_19_a_switch_is_not_held_by_a_cluster_that_never_warms() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(
            fleet.put(
                service("b")
                    .into_iter()
                    .chain([routes("main", &[("a", false), ("b", false)])]),
            ),
        );
        for to_green in [true, false] {
            let switch = client.push(fleet.put([routes("main", &[("a", to_green), ("b", false)])]));
            assert_eq!(sent(&switch), [(RDS, vec!["main".into()])]);
            let routed = green(switch.responses[0].resource(0));
            assert_eq!(routed, BTreeMap::from([("a".into(), to_green)]));
            client.ack(RDS);
        }
    }
}

#[test]
fn line_19_a_wait_that_is_too_long_is_told_and_goes_on() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put(service("b")));
        client.push(fleet.put([routes("main", &[("a", false), ("b", false)])]));
        assert_eq!(client.wait(19).records, []);
        assert_eq!(client.session.next_deadline(), Some(at(20)));
        let told = client.wait(1);
        let waits_for = vec![Arc::from("b/blue"), Arc::from("b/green")];
        assert_eq!(told.records, [Record::Held(RDS, waits_for)]);
        assert_eq!(sent(&told), []);
        assert_eq!(client.wait(100).records, []);
        let over = client.ack(CDS);
        assert!(over.records.contains(&Record::Held(RDS, vec![])));
        assert_eq!(sent(&over), [(RDS, vec!["main".into()])]);
    }
}

#[test]
fn line_19_a_proxy_that_starts_gets_routes_to_what_it_accepted() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        fleet.put(
            service("b")
                .into_iter()
                .chain([routes("main", &[("a", false), ("b", false)])]),
        );
        let mut client = Client::speaking(mode);
        client.push(fleet.newest());
        client.ask(CDS, &[]);
        assert_eq!(
            sent(&client.ask(RDS, &["main"])),
            [],
            "nothing was accepted yet: {mode:?}"
        );
        let part = client.nack(CDS, "Error adding/updating cluster(s) b/green: nonsense");
        assert_eq!(sent(&part), [(RDS, vec!["main".into()])]);
        let routed = green(part.responses[0].resource(0));
        assert_eq!(routed, BTreeMap::from([("a".into(), false)]), "{mode:?}");
    }
}

#[test]
fn line_19_a_listener_waits_for_the_cluster_that_it_names() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put(service("b")));
        let held = client.push(fleet.put([tcp_listener("tcp", "b/blue")]));
        assert_eq!(sent(&held), [], "{mode:?}");
        let ready = client.ack(CDS);
        let listeners = match mode {
            Mode::Sotw => vec!["main".into(), "tcp".into()],
            Mode::Delta => vec!["tcp".into()],
        };
        assert_eq!(sent(&ready), [(LDS, listeners)]);
    }
}

#[test]
fn line_19_nothing_is_held_for_who_names_its_clusters_or_asks_for_none() {
    for mode in MODES {
        let fleet = Fleet::with_a();
        let mut grpc = Client::speaking(mode);
        grpc.push(fleet.newest());
        grpc.ask(CDS, &["other"]);
        assert_eq!(
            sent(&grpc.ask(RDS, &["main"])),
            [(RDS, vec!["main".into()])]
        );
        let mut routes_only = Client::speaking(mode);
        routes_only.push(fleet.newest());
        assert_eq!(
            sent(&routes_only.ask(RDS, &["main"])),
            [(RDS, vec!["main".into()])]
        );
    }
}

#[test]
fn line_19_a_cluster_goes_after_its_last_route_and_a_grace() {
    let mut fleet = Fleet::with_a();
    fleet.put(
        service("b")
            .into_iter()
            .chain([routes("main", &[("a", false), ("b", false)])]),
    );
    let mut client = Client::settled(&fleet);
    let gone = [
        (CDS, "b/blue"),
        (CDS, "b/green"),
        (EDS, "b/blue"),
        (EDS, "b/green"),
    ];
    let removed = client.push(fleet.change([routes("main", &[("a", false)])], gone));
    assert_eq!(sent(&removed), [(RDS, vec!["main".into()])]);
    // What is kept is no part of the revision: it counts as accepted.
    assert!(accepted(&removed).contains(&(CDS, rev(3))));
    assert_eq!(
        client.session.next_deadline(),
        None,
        "the old route is in use"
    );
    client.wait(100);
    client.ack(RDS);
    assert_eq!(client.session.next_deadline(), Some(at(115)));
    assert_eq!(sent(&client.wait(14)), []);
    let over = client.wait(1);
    assert_eq!(
        sent(&over),
        [(CDS, vec!["a/blue".into(), "a/green".into()])]
    );
    assert_eq!(over.responses[0].version(), fleet.version(CDS));
    assert_eq!(client.session.next_deadline(), None);
}

#[test]
fn line_20_endpoints_of_new_clusters_are_answered_before_the_ack_and_a_second_push_is_not_held() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put(service("b")));
        let grown = client.ask_again(EDS, &["a/blue", "a/green", "b/blue", "b/green"]);
        let new = ["b/blue", "b/green"].map(String::from).to_vec();
        assert_eq!(sent(&grown), [(EDS, new)], "{mode:?}");
        let second = client.push(fleet.put(service("c")));
        let clusters = match mode {
            Mode::Sotw => 6,
            Mode::Delta => 2,
        };
        assert_eq!(sent(&second)[0].0, CDS, "{mode:?}");
        assert_eq!(sent(&second)[0].1.len(), clusters, "{mode:?}");
    }
}

#[test]
fn line_20_clusters_are_accepted_with_their_endpoints_only() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put(service("b")));
        assert_eq!(accepted(&client.ack(CDS)), [(CDS, rev(2))]);
        client.ask_again(EDS, &["a/blue", "a/green", "b/blue", "b/green"]);
        assert_eq!(accepted(&client.ack(EDS)), [(EDS, rev(2))]);
    }
}

#[test]
fn line_21_endpoints_are_sent_again_after_their_cluster() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let changed = client.push(fleet.put([cluster("a/green", 2)]));
        let clusters = match mode {
            Mode::Sotw => vec!["a/blue".into(), "a/green".into()],
            Mode::Delta => vec!["a/green".into()],
        };
        assert_eq!(
            sent(&changed),
            [(CDS, clusters), (EDS, vec!["a/green".into()])],
            "{mode:?}"
        );
    }
}

#[test]
fn line_21_and_after_a_reconnect_in_which_clusters_were_sent() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let before = Client::settled_in(mode, &fleet);
        fleet.put([cluster("a/green", 2)]);
        let mut client = before.elsewhere();
        client.push(fleet.newest());
        client.ask(CDS, &[]);
        let again = client.ask(EDS, &["a/blue", "a/green"]);
        // A version of all of them says not which of them the client waits for.
        let endpoints = match mode {
            Mode::Sotw => vec!["a/blue".into(), "a/green".into()],
            Mode::Delta => vec!["a/green".into()],
        };
        assert_eq!(sent(&again), [(EDS, endpoints)], "{mode:?}");
    }
}

#[test]
fn line_22_a_switch_is_one_response_of_routes() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let switch = client.push(fleet.put([routes("main", &[("a", true)])]));
        assert_eq!(sent(&switch), [(RDS, vec!["main".into()])]);
        // What the switch does not change is accepted with it at once; the routes are when they are answered.
        assert_eq!(switch.records[0], Record::Sent(RDS, rev(2)));
        assert_eq!(
            accepted(&switch),
            [(CDS, rev(2)), (EDS, rev(2)), (LDS, rev(2))]
        );
        assert_eq!(client.ack(RDS).records, [Record::Accepted(RDS, rev(2))]);
    }
}

#[test]
fn line_22_a_rollback_is_not_accepted_while_the_switch_before_it_is_on_its_way() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let switch = client.push(fleet.put([routes("main", &[("a", true)])]));
        let rollback = client.push(fleet.put([routes("main", &[("a", false)])]));
        assert_eq!(rollback.records[0], Record::Sent(RDS, rev(3)), "{mode:?}");
        let is_of_routes = |(type_url, _): &(TypeUrl, Revision)| *type_url == RDS;
        assert!(!accepted(&rollback).iter().any(is_of_routes), "{mode:?}");
        if mode == Mode::Sotw {
            client.version.insert(RDS, switch.responses[0].version());
        }
        let first = client.answer(RDS, &switch.responses[0].nonce, None);
        assert_eq!(first.records, [], "{mode:?}");
        assert_eq!(accepted(&client.ack(RDS)), [(RDS, rev(3))], "{mode:?}");
    }
}

#[test]
fn line_25_a_cluster_is_kept_while_routes_that_name_it_are_subscribed() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let gone = [
            (CDS, "a/blue"),
            (CDS, "a/green"),
            (EDS, "a/blue"),
            (EDS, "a/green"),
            (RDS, "main"),
        ];
        let moved = service("b").into_iter().chain([
            listener("main", 2, &["second"]),
            routes("second", &[("b", false)]),
        ]);
        let whole = ["a/blue", "a/green", "b/blue", "b/green"];
        let push = client.push(fleet.change(moved, gone));
        let clusters = match mode {
            Mode::Sotw => &whole[..],
            Mode::Delta => &whole[2..],
        };
        assert_eq!(sent(&push)[0].1, clusters, "{mode:?}");
        assert_eq!(removed(&push), [], "{mode:?}");
        for type_url in [CDS, LDS] {
            client.ack(type_url);
        }
        // Both names, while connections of the old filter chain drain.
        client.ask_again(RDS, &["main", "second"]);
        client.ack(RDS);
        let drains = client.wait(3600);
        assert_eq!((sent(&drains), removed(&drains)), (vec![], vec![]));
        client.ask_again(RDS, &["second"]);
        let over = client.wait(15);
        match mode {
            Mode::Sotw => assert_eq!(sent(&over)[0].1, &whole[2..]),
            Mode::Delta => assert_eq!(removed(&over)[0].1, &whole[..2]),
        }
    }
}

#[test]
fn a_listener_from_an_earlier_stream_is_not_deleted_because_it_is_held() {
    let mut fleet = Fleet::with_a();
    fleet.put([tcp_listener("tcp", "a/blue")]);
    let mut client = Client::new();
    client.version.insert(CDS, "1-00000000".into());
    client.version.insert(LDS, "1-00000000".into());
    client.push(fleet.newest());
    client.ask(CDS, &[]);
    assert_eq!(sent(&client.ask(LDS, &[])), []);
    let ready = client.ack(CDS);
    assert_eq!(sent(&ready), [(LDS, vec!["main".into(), "tcp".into()])]);
}

#[test]
fn a_switch_while_the_proxy_was_away_is_not_held_for_ever() {
    let mut fleet = Fleet::with_a();
    let before = Client::settled(&fleet);
    fleet.put(
        service("b")
            .into_iter()
            .chain([routes("main", &[("a", true), ("b", false)])]),
    );
    let mut client = Client::new();
    client.version = before.version.clone();
    client.push(fleet.newest());
    client.ask(CDS, &[]);
    assert_eq!(sent(&client.ask(RDS, &["main"])), []);
    let overdue = client.wait(20);
    assert_eq!(sent(&overdue), [(RDS, vec!["main".into()])]);
}

#[test]
fn a_switch_while_the_proxy_was_away_waits_for_outdated_clusters_and_no_longer() {
    let mut fleet = Fleet::with_a();
    let before = Client::settled(&fleet);
    fleet.put([routes("main", &[("a", true)])]);
    for outdated in [false, true] {
        if outdated {
            fleet.put(service("b"));
        }
        let mut client = Client::new();
        client.version = before.version.clone();
        client.push(fleet.newest());
        client.ask(CDS, &[]);
        client.ask(EDS, &["a/blue", "a/green"]);
        let switch = match outdated {
            false => client.ask(RDS, &["main"]),
            true => {
                assert_eq!(sent(&client.ask(RDS, &["main"])), []);
                client.ack(CDS)
            }
        };
        assert_eq!(sent(&switch), [(RDS, vec!["main".into()])]);
        assert!(green(switch.responses[0].resource(0))["a"]);
    }
}

#[test]
fn what_an_earlier_stream_left_behind_goes_after_a_rejection_too() {
    let mut fleet = Fleet::with_a();
    let before = Client::settled(&fleet);
    fleet.put([cluster("a/blue", 2)]);
    let mut client = Client::new();
    client.version = before.version.clone();
    client.push(fleet.newest());
    client.ask(CDS, &[]);
    let refused = client.nack(CDS, "Error adding/updating cluster(s) a/blue: nonsense");
    assert_eq!(sent(&refused), []);
    // It still has the one of before.
    let gone = client.push(fleet.change([], [(CDS, "a/blue")]));
    assert_eq!(sent(&gone), [(CDS, vec!["a/green".into()])]);
}

#[test]
fn what_a_proxy_does_not_need_counts_as_accepted() {
    let mut fleet = Fleet::new();
    fleet.put([
        Resource::new(CDS, "static", "s".into(), References::default()),
        endpoints("nobody", 1),
        listener("plain", 1, &[]),
        routes("nobody", &[]),
        runtime("nobody"),
    ]);
    let mut client = Client::new();
    client.push(fleet.newest());
    client.ask(CDS, &[]);
    assert_eq!(accepted(&client.ack(CDS)), [(CDS, rev(1)), (EDS, rev(1))]);
    client.ask(LDS, &[]);
    assert_eq!(
        accepted(&client.ack(LDS)),
        [(LDS, rev(1)), (RDS, rev(1)), (TypeUrl::Runtime, rev(1))]
    );
}

#[test]
fn line_25_a_cluster_that_went_while_the_proxy_was_away_outlives_its_routes_on_another_server_too()
{
    let mut fleet = Fleet::with_a();
    fleet.put(
        service("b")
            .into_iter()
            .chain([routes("main", &[("b", false)])]),
    );
    let mut before = Client::settled(&fleet);
    let old = fleet.newest();
    before.push(fleet.change(
        [routes("main", &[("a", false)])],
        [(CDS, "b/blue"), (CDS, "b/green")],
    ));
    let mut client = before.elsewhere();
    client.session.cache.remember_revision(&old);
    client.push(fleet.newest());
    let all = ["a/blue", "a/green", "b/blue", "b/green"].map(String::from);
    let clusters = client.ask(CDS, &[]);
    assert_eq!(
        sent(&clusters),
        [(CDS, all.to_vec())],
        "as long as it routes there"
    );
    client.ack(CDS);
    let switch = client.ask(RDS, &["main"]);
    assert_eq!(sent(&switch), [(RDS, vec!["main".into()])]);
    assert_eq!(sent(&client.wait(600)), []);
    client.ack(RDS);
    assert_eq!(sent(&client.wait(1)), [], "and a grace after");
    assert_eq!(sent(&client.wait(600)), [(CDS, all[..2].to_vec())]);
}

/// It had accepted the clusters that were kept for its routes, and goes on with those routes.
#[test]
fn line_25_a_cluster_that_was_kept_when_the_server_ended_outlives_its_routes_on_another_server_too_in_sotw()
 {
    let mut fleet = Fleet::with_a();
    let gone = ["b", "c"].iter().flat_map(|name| service(name));
    fleet.put(gone.chain([routes("main", &[("b", false)])]));
    let mut before = Client::settled(&fleet);
    let mut past = vec![fleet.newest()];
    before.push(fleet.change([], [(CDS, "c/blue"), (CDS, "c/green")]));
    past.push(fleet.newest());
    let changed = [cluster("a/blue", 3), routes("main", &[("a", false)])];
    before.push(fleet.change(changed, [(CDS, "b/blue"), (CDS, "b/green")]));
    before.ack(CDS);
    let kept = before.version[&CDS].clone();
    assert_ne!(kept, fleet.version(CDS));
    // Also if the clusters have changed since.
    for later in [false, true] {
        if later {
            past.push(fleet.newest());
            fleet.put([cluster("a/blue", 2)]);
        }
        let mut client = before.elsewhere();
        for old in &past {
            client.session.cache.remember_revision(old);
        }
        client.push(fleet.newest());
        let clusters = client.ask(CDS, &[]);
        let all = [
            "a/blue", "a/green", "b/blue", "b/green", "c/blue", "c/green",
        ];
        assert_eq!(sent(&clusters), [(CDS, all.map(String::from).to_vec())]);
        client.ack(CDS);
        let switch = client.ask(RDS, &["main"]);
        assert_eq!(sent(&switch), [(RDS, vec!["main".into()])]);
        assert_eq!(
            sent(&client.wait(1)),
            [],
            "a grace also for what it does not use"
        );
        let grace = client.wait(600);
        let used = ["a/blue", "a/green", "b/blue", "b/green"];
        assert_eq!(sent(&grace), [(CDS, used.map(String::from).to_vec())]);
        client.ack(CDS);
        client.ack(RDS);
        assert_eq!(sent(&client.wait(1)), [], "a grace after its last route");
        let last = client.wait(600);
        assert_eq!(
            sent(&last),
            [(CDS, used[..2].iter().map(|name| (*name).into()).collect())]
        );
    }
}
