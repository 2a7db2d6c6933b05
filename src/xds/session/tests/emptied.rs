//! One revision moves the traffic away from an environment and takes its endpoints: the client must lose the endpoints last.

use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use prost::Message;

use super::*;

fn without_endpoints(name: &str) -> Resource {
    let empty = ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        ..ClusterLoadAssignment::default()
    };
    Resource::new(
        EDS,
        name,
        empty.encode_to_vec().into(),
        References::default(),
    )
}

#[test]
fn line_19_endpoints_go_once_nothing_is_sent_to_them_any_more() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let away = [without_endpoints("a/blue"), routes("main", &[("a", true)])];
        let moved = client.push(fleet.put(away));
        assert_eq!(sent(&moved), [(RDS, vec!["main".into()])], "{mode:?}");
        // It counts once all of it is there.
        let routed = client.ack(RDS);
        let (last, names) = sent(&routed).pop().unwrap();
        assert!(
            last == EDS && names.contains(&"a/blue".to_owned()),
            "{mode:?}"
        );
        assert!(!accepted(&routed).contains(&(EDS, rev(2))), "{mode:?}");
        assert!(
            accepted(&client.ack(EDS)).contains(&(EDS, rev(2))),
            "{mode:?}"
        );
    }
}

#[test]
fn line_19_endpoints_that_a_rejected_change_of_routes_goes_on_using_stay() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.push(fleet.put([without_endpoints("a/blue"), routes("main", &[("a", true)])]));
        assert_eq!(sent(&client.nack(RDS, "no")), [], "{mode:?}");
        assert_eq!(sent(&client.wait(600)), [], "{mode:?}");
        // What others change meanwhile is not held up by that.
        let news = client.push(fleet.put([endpoints("a/green", 2)]));
        assert_eq!(sent(&news).len(), 1, "{mode:?}");
        let both = news.responses[0].resources();
        let blue = both.into_iter().find(|it| &*it.name == "a/blue");
        assert!(
            blue.is_none_or(|it| it.bytes == endpoints("a/blue", 1).bytes),
            "{mode:?}"
        );
    }
}

#[test]
fn line_19_endpoints_that_are_taken_from_under_the_traffic_go_at_once() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let emptied = client.push(fleet.put([without_endpoints("a/blue")]));
        assert_eq!(sent(&emptied).len(), 1, "{mode:?}");
        assert_eq!(sent(&emptied)[0].0, EDS, "{mode:?}");
    }
}
