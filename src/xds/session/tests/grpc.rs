//! Clients that name all that they want, as gRPC does, beside Envoys that want everything.

use super::*;

/// Service `a` behind listener `main` for Envoys, and as target `a` for gRPC clients, in revision 1.
fn fleet() -> Fleet {
    let mut fleet = Fleet::new();
    fleet.put(service("a").into_iter().chain([
        listener("main", 1, &["main"]),
        routes("main", &[("a", false)]),
        api_listener("a", "a"),
        routes("a", &[("a", false)]),
    ]));
    fleet
}

/// A gRPC client that has called `a`: of the weighted clusters it has asked for the one with a weight.
fn calling(mode: Mode, fleet: &Fleet) -> Client {
    let mut client = Client::speaking(mode);
    client.push(fleet.newest());
    for (type_url, name) in [(LDS, "a"), (RDS, "a"), (CDS, "a/blue"), (EDS, "a/blue")] {
        let asked = client.ask(type_url, &[name]);
        assert_eq!(sent(&asked), [(type_url, vec![name.to_owned()])]);
        client.ack(type_url);
    }
    client
}

#[test]
fn line_32_a_listener_of_grpc_clients_is_for_those_who_name_it() {
    for mode in MODES {
        let mut fleet = fleet();
        calling(mode, &fleet);
        let mut envoy = Client::speaking(mode);
        envoy.push(fleet.newest());
        assert_eq!(sent(&envoy.ask(CDS, &[]))[0].1, ["a/blue", "a/green"]);
        envoy.ack(CDS);
        envoy.ask(EDS, &["a/blue", "a/green"]);
        envoy.ack(EDS);
        let listeners = envoy.ask(LDS, &[]);
        assert_eq!(sent(&listeners), [(LDS, vec!["main".to_owned()])]);
        assert_eq!(accepted(&envoy.ack(LDS)), [(LDS, rev(1))], "{mode:?}");
        envoy.ask(RDS, &["main"]);
        // It never asks for what the other listener refers to, and has everything that is for it.
        assert_eq!(accepted(&envoy.ack(RDS)), [(RDS, rev(1))], "{mode:?}");
        // One more of them is no news for an Envoy.
        let more = envoy.push(fleet.put([api_listener("b", "a")]));
        assert_eq!(sent(&more), [], "{mode:?}");
        assert!(accepted(&more).contains(&(LDS, rev(2))), "{mode:?}");
        // Who asks for everything and for one by its name gets both; in delta it has the other already.
        let both = envoy.ask_again(LDS, &["*", "b"]);
        let listeners = match mode {
            Mode::Sotw => vec!["b".to_owned(), "main".to_owned()],
            Mode::Delta => vec!["b".to_owned()],
        };
        assert_eq!(sent(&both), [(LDS, listeners)], "{mode:?}");
    }
}

/// The listeners that were told to be named, if any were.
fn listeners(output: &Output) -> Option<Vec<&str>> {
    output.records.iter().find_map(|record| match record {
        Record::Named(LDS, names) => Some(names.iter().map(|name| &**name).collect()),
        _ => None,
    })
}

#[test]
fn line_32_which_listeners_a_client_names_is_told_whenever_it_changes() {
    for mode in MODES {
        let fleet = fleet();
        let mut client = Client::speaking(mode);
        client.push(fleet.newest());
        assert_eq!(listeners(&client.ask(LDS, &["a"])), Some(vec!["a"]));
        assert_eq!(listeners(&client.ack(LDS)), None, "{mode:?}");
        assert_eq!(listeners(&client.ask(RDS, &["a"])), None, "{mode:?}");
        let two = client.ask_again(LDS, &["a", "b"]);
        assert_eq!(listeners(&two), Some(vec!["a", "b"]), "{mode:?}");
        let all = client.ask_again(LDS, &["*"]);
        assert_eq!(listeners(&all), Some(vec![]), "{mode:?}");
    }
}

#[test]
fn line_33_a_switch_is_followed_by_the_clusters_and_endpoints_it_names_at_once() {
    for mode in MODES {
        let mut fleet = fleet();
        let mut client = calling(mode, &fleet);
        let switched = [routes("main", &[("a", true)]), routes("a", &[("a", true)])];
        let pushed = client.push(fleet.put(switched));
        assert_eq!(sent(&pushed), [(RDS, vec!["a".to_owned()])], "{mode:?}");
        client.ack(RDS);
        // It learns of green from the route, and calls wait until both have come: nothing is held, not even by the
        // answer to the response before.
        let both = ["a/blue", "a/green"];
        let clusters = client.ask_again(CDS, &both);
        let news = match mode {
            Mode::Sotw => &both[..],
            Mode::Delta => &both[1..],
        };
        assert_eq!(clusters.responses.len(), 1, "{mode:?}");
        assert_eq!(sent(&clusters)[0].1, news, "{mode:?}");
        let endpoints = client.ask_again(EDS, &both);
        let news = vec!["a/green".to_owned()];
        assert_eq!(sent(&endpoints), [(EDS, news)], "{mode:?}");
    }
}

#[test]
fn line_33_a_switch_is_proven_by_those_who_use_the_service_and_asks_nothing_of_others() {
    for mode in MODES {
        let mut fleet = fleet();
        let others = service("b")
            .into_iter()
            .chain([api_listener("b", "b"), routes("b", &[("b", false)])]);
        fleet.put(others);
        let mut client = calling(mode, &fleet);
        let pushed = client.push(fleet.put([routes("b", &[("b", true)])]));
        assert_eq!(sent(&pushed), [], "{mode:?}");
        assert!(accepted(&pushed).contains(&(RDS, rev(3))), "{mode:?}");
    }
}

#[test]
fn line_33_a_switch_is_proven_by_who_has_asked_for_the_cluster_and_has_its_endpoints() {
    for mode in MODES {
        let mut fleet = fleet();
        let mut client = calling(mode, &fleet);
        client.push(fleet.put([routes("a", &[("a", true)])]));
        let switched = (RDS, rev(2));
        // Until then it goes on with the routes of before.
        let both = ["a/blue", "a/green"];
        let mut steps = vec![client.ack(RDS)];
        steps.push(client.ask_again(CDS, &both));
        steps.push(client.ack(CDS));
        steps.push(client.ask_again(EDS, &both));
        for early in &steps {
            assert!(!accepted(early).contains(&switched), "{mode:?}");
        }
        assert!(accepted(&client.ack(EDS)).contains(&switched), "{mode:?}");
        // The way back is to what it still has.
        client.push(fleet.put([routes("a", &[("a", false)])]));
        assert!(
            accepted(&client.ack(RDS)).contains(&(RDS, rev(3))),
            "{mode:?}"
        );
    }
}

/// An Envoy that asks for clusters on demand names them too. Its requests wait for a cluster that they are the first to need.
#[test]
fn line_36_who_asks_for_clusters_on_demand_uses_routes_at_once() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut envoy = Client::speaking(mode);
        envoy.push(fleet.newest());
        envoy.ask(LDS, &[]);
        envoy.ack(LDS);
        envoy.ask(RDS, &["main"]);
        envoy.ack(RDS);
        envoy.ask(CDS, &["a/blue"]);
        envoy.ack(CDS);
        envoy.ask(EDS, &["a/blue"]);
        envoy.ack(EDS);
        envoy.push(fleet.put([routes("main", &[("a", true)])]));
        let done = accepted(&envoy.ack(RDS));
        assert!(done.contains(&(RDS, rev(2))), "{mode:?}: {done:?}");
    }
}

#[test]
fn line_36_what_a_client_rejects_that_asked_for_it_later_is_not_accepted_with_later_revisions() {
    for mode in MODES {
        let mut fleet = fleet();
        fleet.put(service("b"));
        let mut client = calling(mode, &fleet);
        client.ask_again(CDS, &["a/blue", "b/blue"]);
        client.nack(CDS, "b/blue: of no use here");
        let other = client.push(fleet.put([runtime("other")]));
        let clusters = |output: &Output| {
            let mut accepted = accepted(output).into_iter();
            accepted.any(|(type_url, _)| type_url == CDS)
        };
        assert!(!clusters(&other), "{mode:?}: {other:?}");
        // Once it has given it up, it has all that it asks for.
        let given_up = client.ask_again(CDS, &["a/blue"]);
        let more = client.push(fleet.put([runtime("more")]));
        assert!(clusters(&given_up) || clusters(&more), "{mode:?}");
    }
}

#[test]
fn line_33_a_cluster_that_a_client_has_rejected_is_not_waited_for() {
    for mode in MODES {
        let mut fleet = fleet();
        let mut client = calling(mode, &fleet);
        let both = |green| routes("a", &[("a", green), ("b", false)]);
        fleet.put(service("b"));
        client.push(fleet.put([both(false)]));
        client.ack(RDS);
        client.ask_again(CDS, &["a/blue", "b/blue"]);
        client.nack(CDS, "b/blue: of no use here");
        // Its other calls go where the switch says.
        client.push(fleet.put([both(true)]));
        client.ack(RDS);
        client.ask_again(CDS, &["a/green", "b/blue"]);
        client.ack(CDS);
        client.ask_again(EDS, &["a/green"]);
        let done = client.ack(EDS);
        let switched = (RDS, fleet.0.revision);
        assert!(accepted(&done).contains(&switched), "{mode:?}: {done:?}");
    }
}

#[test]
fn line_33_a_route_of_which_a_client_asks_for_no_cluster_is_none_that_it_waits_for() {
    for mode in MODES {
        let mut fleet = fleet();
        let mut client = calling(mode, &fleet);
        let other = [routes("a", &[("a", false), ("b", true)])];
        client.push(fleet.put(service("b").into_iter().chain(other)));
        assert!(
            accepted(&client.ack(RDS)).contains(&(RDS, rev(2))),
            "{mode:?}"
        );
    }
}

#[test]
fn line_33_routes_that_stand_in_a_listener_are_proven_as_those_that_it_refers_to() {
    for mode in MODES {
        let listener = |green| api_listener_with("a", &routes("a", &[("a", green)]));
        let mut fleet = Fleet::new();
        fleet.put(service("a").into_iter().chain([listener(false)]));
        let mut client = Client::speaking(mode);
        client.push(fleet.newest());
        for (type_url, name) in [(LDS, "a"), (CDS, "a/blue"), (EDS, "a/blue")] {
            client.ask(type_url, &[name]);
            client.ack(type_url);
        }
        let pushed = client.push(fleet.put([listener(true)]));
        assert_eq!(sent(&pushed), [(LDS, vec!["a".to_owned()])], "{mode:?}");
        let both = ["a/blue", "a/green"];
        let mut steps = vec![client.ack(LDS)];
        steps.push(client.ask_again(CDS, &both));
        steps.push(client.ack(CDS));
        steps.push(client.ask_again(EDS, &both));
        let switched = (LDS, rev(2));
        for early in &steps {
            assert!(!accepted(early).contains(&switched), "{mode:?}");
        }
        assert!(accepted(&client.ack(EDS)).contains(&switched), "{mode:?}");
    }
}

/// It has given up with the name what it knew of it, and makes its calls wait for an answer.
#[test]
fn line_09_what_a_client_has_rejected_is_said_again_when_it_asks_for_it_anew() {
    for mode in MODES {
        let mut fleet = fleet();
        fleet.put([cluster("odd", 1)]);
        let mut client = calling(mode, &fleet);
        let odd = (CDS, vec!["odd".to_owned()]);
        let both = ["a/blue", "odd"];
        client.ask_again(CDS, &both);
        let without = client.nack(CDS, "odd: of no use here");
        assert!(!sent(&without).contains(&odd), "{mode:?}");
        client.ack(CDS);
        client.ask_again(CDS, &["a/blue"]);
        client.ack(CDS);
        let again = client.ask_again(CDS, &both);
        let names = &sent(&again)[0].1;
        assert!(names.contains(&odd.1[0]), "{mode:?}: {names:?}");
        let rejected_again = client.nack(CDS, "odd: of no use here");
        let names: Vec<_> = sent(&rejected_again)
            .into_iter()
            .flat_map(|it| it.1)
            .collect();
        assert!(!names.contains(&odd.1[0]), "{mode:?}: {names:?}");
    }
}

/// It may have given up what it had, while it was away or before, and ask for it anew: it shows the same version then.
#[test]
fn line_12_what_a_client_names_is_said_again_on_its_next_stream() {
    let fleet = fleet();
    let client = calling(Mode::Sotw, &fleet);
    let mut again = client.reconnected();
    again.push(fleet.newest());
    for (type_url, name) in [(LDS, "a"), (RDS, "a"), (CDS, "a/blue"), (EDS, "a/blue")] {
        let asked = again.ask(type_url, &[name]);
        assert_eq!(sent(&asked), [(type_url, vec![name.to_owned()])]);
        let mut had = accepted(&asked).into_iter();
        assert!(!had.any(|(of, _)| of == type_url), "{type_url}");
        again.ack(type_url);
    }
    assert_eq!(again.session.reported.len(), 4);
}

/// It gave it up and asked for it again, and read what was on its way after that: its answer names it.
#[test]
fn line_06_what_a_client_took_after_it_asked_for_it_again_it_has() {
    let mut fleet = fleet();
    let mut client = calling(Mode::Sotw, &fleet);
    let taken = client.push(fleet.put([cluster("a/blue", 2)])).responses[0].clone();
    let before = client.version[&CDS].clone();
    let list = |names: &[&str], nonce: &str, version: &str| Request {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        nonce: nonce.to_owned(),
        version: version.to_owned(),
        error: None,
    };
    // Its first of clusters was the third response on the stream.
    for name in ["a/green", "a/blue"] {
        client.say(CDS, list(&[name], "3", &before));
    }
    client.push(fleet.put([cluster("a/blue", 3)]));
    client.say(CDS, list(&["a/blue"], &taken.nonce, &taken.version()));
    client.version.insert(CDS, taken.version());
    client.nack(CDS, "a/blue: nonsense");
    let both = ["a/blue", "a/green"];
    let more = client.ask_again(CDS, &both);
    assert_eq!(sent(&more)[0], (CDS, both.map(String::from).to_vec()));
}
