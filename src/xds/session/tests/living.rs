//! What lives for a while only: resources with a time to live, clusters after their last route, waits.

use std::time::Duration;

use super::*;

#[test]
fn line_30_what_lives_for_a_while_is_said_again_and_that_is_no_news() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        fleet.put([runtime("bluegreen").with_ttl(Duration::from_secs(15))]);
        let mut client = Client::settled_in(mode, &fleet);
        client.ask(TypeUrl::Runtime, &["bluegreen"]);
        client.ack(TypeUrl::Runtime);
        for round in 1..4 {
            assert_eq!(client.session.next_deadline(), Some(at(5 * round)));
            let beat = client.wait(5);
            let layer = vec!["bluegreen".to_owned()];
            assert_eq!(sent(&beat), [(TypeUrl::Runtime, layer)]);
            assert!(beat.responses[0].message.heartbeat);
            assert_eq!(beat.records, []);
            assert_eq!(client.ack(TypeUrl::Runtime).records, []);
        }
        // Once the snapshot has it no longer, nothing keeps it.
        client.push(fleet.change([], [(TypeUrl::Runtime, "bluegreen")]));
        client.ack(TypeUrl::Runtime);
        assert_eq!(client.session.next_deadline(), None);
    }
}

#[test]
fn line_25_a_cluster_outlives_its_routes_as_long_as_a_request_may_be_open() {
    for (millis, seconds) in [(60_000, 60), (0, 300), (3_600_000, 300)] {
        for mode in MODES {
            let mut fleet = Fleet::with_a();
            let mut long = routes("main", &[("a", false), ("b", false)]);
            let references = Arc::make_mut(&mut long.references);
            for name in ["b/blue", "b/green"] {
                references.timeouts.insert(name.into(), millis);
            }
            fleet.put(service("b").into_iter().chain([long]));
            let mut client = Client::settled_in(mode, &fleet);
            // The routes go first, in a revision of their own.
            client.push(fleet.put([routes("main", &[("a", false)])]));
            client.ack(RDS);
            client.wait(10);
            let gone = [(CDS, "b/blue"), (CDS, "b/green")];
            assert_eq!(sent(&client.push(fleet.change([], gone))), []);
            assert_eq!(sent(&client.wait(seconds - 11)), []);
            assert_eq!(sent(&client.wait(1)).len(), 1, "{millis} {mode:?}");
        }
    }
}

#[test]
fn line_19_at_the_bound_a_route_is_sent_if_the_operator_says_so() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::with(
            mode,
            Options {
                on_warm_timeout: OnWarmTimeout::Send,
                ..Options::default()
            },
        );
        client.push(fleet.newest());
        for (type_url, names) in [(CDS, &[][..]), (LDS, &[]), (RDS, &["main"])] {
            client.ask(type_url, names);
            client.ack(type_url);
        }
        client.push(fleet.put(service("b")));
        let both = routes("main", &[("a", false), ("b", false)]);
        assert_eq!(sent(&client.push(fleet.put([both]))), []);
        assert_eq!(sent(&client.wait(19)), []);
        let due = client.wait(1);
        assert_eq!(sent(&due), [(RDS, vec!["main".into()])], "{mode:?}");
        let told =
            |record: &Record| matches!(record, Record::Held(RDS, waits) if !waits.is_empty());
        assert!(due.records.iter().any(told));
        client.ack(RDS);
        let ready = client.ack(CDS);
        assert!(ready.records.contains(&Record::Held(RDS, vec![])));
    }
}

#[test]
fn line_19_a_service_that_never_gets_ready_holds_up_no_other_addition_or_removal() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let cold = service("cold");
        let of = |services: &[&str]| {
            let split: Vec<(&str, bool)> = services.iter().map(|name| (*name, false)).collect();
            routes("main", &split)
        };
        client.push(fleet.put(cold.into_iter().chain([of(&["a", "cold"])])));
        // Envoy withholds its answer to clusters while one warms; delta and the list both bring what comes after.
        client.nack(
            CDS,
            "Error adding/updating cluster(s) cold/blue, cold/green: never",
        );
        let added = client.push(fleet.put(service("b")));
        assert_eq!(sent(&added)[0].0, CDS);
        client.ack(CDS);
        let routed = client.push(fleet.put([of(&["a", "b", "cold"])]));
        assert_eq!(sent(&routed), [(RDS, vec!["main".into()])], "{mode:?}");
        let has = green(routed.responses[0].resource(0));
        assert_eq!(has.keys().collect::<Vec<_>>(), ["a", "b"]);
        client.ack(RDS);
        let removed = client.push(fleet.put([of(&["b", "cold"])]));
        let has = green(removed.responses[0].resource(0));
        assert_eq!(has.keys().collect::<Vec<_>>(), ["b"]);
    }
}
