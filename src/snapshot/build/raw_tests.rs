//! What is built of the user's own resources, beside that of services.

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use prost::Message as _;
use serde_json::json;

use super::{
    BuildError, build,
    tests::{built, input, name, raw_dialled, raw_routes, raw_set, routes, service},
};
use crate::{
    model::{Colour, Revision, Split, TypeUrl},
    snapshot::{Input, Resource, Snapshot, diff, only_routes_differ},
};

#[test]
fn line_33_raw_routes_of_grpc_clients_make_both_environments_known_wherever_the_listener_is_declared()
 {
    let names = |snapshot: &Snapshot, of: &str| -> Vec<String> {
        let host = routes(snapshot, of).virtual_hosts.swap_remove(0);
        host.routes.into_iter().map(|route| route.name).collect()
    };
    let mut before = input([("a", service(json!({})))]);
    for of in ["mine", "of-envoys"] {
        let set = raw_set(vec![raw_routes(of, "service:a")]);
        before.resources.insert(name(of), set);
    }
    let old = built(&before);
    assert_eq!(names(&old, "mine"), [""]);
    let mut after = before.clone();
    let listener = raw_set(vec![raw_dialled("models.example", "mine")]);
    after.resources.insert(name("listener"), listener);
    let new = build(&old, &before, &after).unwrap().snapshot;
    assert_eq!(names(&new, "mine"), ["", "a/blue", "a/green"]);
    assert_eq!(names(&new, "of-envoys"), [""]);
    let back = build(&new, &after, &before).unwrap().snapshot;
    assert_eq!(names(&back, "mine"), [""]);
}

#[test]
fn a_switch_reaches_the_raw_routes_that_name_the_service_and_no_others() {
    let mut before = input([
        ("a", service(json!({}))),
        ("b", service(json!({ "hosts": ["b"] }))),
    ]);
    for (set, to) in [("to-a", "service:a"), ("to-b", "service:b"), ("to-c", "c")] {
        before
            .resources
            .insert(name(set), raw_set(vec![raw_routes(set, to)]));
    }
    let cluster = json!({ "@type": TypeUrl::Cluster.url(), "name": "beside" });
    let beside = vec![raw_routes("beside-to-a", "service:a"), cluster];
    before.resources.insert(name("mixed"), raw_set(beside));
    // As an older bluegreen encoded it: what a switch does not touch is not made anew, whatever it would be now.
    let older = Cluster {
        name: "beside".to_owned(),
        alt_stat_name: "older".to_owned(),
        ..Default::default()
    };
    let older = Resource::new(
        TypeUrl::Cluster,
        "beside",
        older.encode_to_vec().into(),
        Default::default(),
    );
    let older = [(older.name.clone(), Some(Arc::new(older)))].into();
    let old = built(&before).with(Revision(1), [(TypeUrl::Cluster, older)].into());
    let mut after = before.clone();
    Arc::make_mut(after.services.get_mut("a").unwrap()).split = Split::all_to(Colour::Green);
    let new = build(&old, &before, &after).unwrap().snapshot;
    let changed: Vec<_> = diff(&old, &new)
        .into_iter()
        .map(|change| change.name.to_string())
        .collect();
    assert_eq!(changed, ["0.0.0.0:10000", "beside-to-a", "to-a"]);
    assert_eq!(only_routes_differ(&old, &new), Ok(()));
}

#[test]
fn a_name_that_is_taken_is_refused_with_both_that_want_it() {
    let empty = Snapshot::empty(name("payments"));
    let table = [
        (TypeUrl::Cluster, "a/blue", "service a"),
        (
            TypeUrl::RouteConfiguration,
            "0.0.0.0:10000",
            "the listener of a",
        ),
        (TypeUrl::Runtime, "bluegreen", "bluegreen itself"),
    ];
    for (type_url, taken, by) in table {
        let mut input = input([("a", service(json!({})))]);
        let resource = json!({ "@type": type_url.url(), "name": taken });
        input
            .resources
            .insert(name("extra"), raw_set(vec![resource]));
        let error = build(&empty, &Input::default(), &input).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{type_url} {taken} comes from {by} and from EnvoyResources extra: rename or remove one"
            )
        );
    }
}

#[test]
fn a_service_that_a_raw_route_names_can_not_go() {
    let mut before = input([("a", service(json!({})))]);
    before
        .resources
        .insert(name("mine"), raw_set(vec![raw_routes("mine", "service:a")]));
    let old = built(&before);
    let mut after = before.clone();
    after.services.clear();
    let error = build(&old, &before, &after).unwrap_err();
    assert!(matches!(error, BuildError::Raw(_)), "{error}");
}
