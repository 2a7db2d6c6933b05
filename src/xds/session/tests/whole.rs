//! Responses of which Envoy takes nothing: one resource is invalid in itself, and the error shows it.

use super::*;

/// A cluster that passes requests on to others.
fn aggregate(name: &str, to: &[&str]) -> Resource {
    let references = References {
        clusters: to.iter().map(|name| Arc::from(*name)).collect(),
        ..References::default()
    };
    let bytes = format!("aggregate {name} of {to:?}").into();
    Resource::new(CDS, name, bytes, references)
}

/// A client that has all of service `a`, after it has rejected the clusters of service `b` with one that is invalid, with this error.
fn rejected_with(mode: Mode, invalid: Resource, error: &str) -> (Client, Output) {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled_in(mode, &fleet);
    let both = routes("main", &[("a", false), ("b", false)]);
    client.push(fleet.put(service("b").into_iter().chain([invalid, both])));
    let answered = client.nack(CDS, error);
    (client, answered)
}

#[test]
fn line_08_what_came_with_an_invalid_cluster_is_sent_again_without_it_and_not_routed_to_before() {
    for mode in MODES {
        let error = "name: \"bad\" connect_timeout { }: Proto constraint validation failed";
        let (mut client, answered) = rejected_with(mode, cluster("bad", 1), error);
        assert_eq!(rejected(&answered), [(CDS, rev(2), vec!["bad".to_owned()])]);
        let all = ["a/blue", "a/green", "b/blue", "b/green"];
        let news = match mode {
            Mode::Sotw => &all[..],
            Mode::Delta => &all[2..],
        };
        let again = news.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(sent(&answered), [(CDS, again)], "{mode:?}");
        let ready = client.ack(CDS);
        assert!(sent(&ready).contains(&(RDS, vec!["main".to_owned()])));
    }
}

#[test]
fn line_08_what_a_rejected_cluster_names_is_not_rejected_with_it() {
    for mode in MODES {
        for error in [
            "name: \"all\" clusters: \"b/blue\" clusters: \"b/green\": Proto constraint validation failed",
            "Error adding/updating cluster(s) all: clusters: \"b/blue\" clusters: \"b/green\": nonsense",
        ] {
            let all = aggregate("all", &["b/blue", "b/green"]);
            let (mut client, answered) = rejected_with(mode, all, error);
            assert_eq!(rejected(&answered), [(CDS, rev(2), vec!["all".to_owned()])]);
            let again = sent(&answered);
            assert_eq!(again[0].0, CDS, "{mode:?}");
            assert!(again[0].1.contains(&"b/blue".to_owned()), "{again:?}");
            let ready = client.ack(CDS);
            assert!(sent(&ready).contains(&(RDS, vec!["main".to_owned()])));
        }
    }
}
