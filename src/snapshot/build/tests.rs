//! What is built, and what a change leaves alone.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use envoy_types::pb::envoy::config::{
    endpoint::v3::ClusterLoadAssignment, route::v3::RouteConfiguration,
};
use prost::Message as _;
use serde_json::json;

use super::{BuildError, build, cluster_name, rebuild};
use crate::{
    model::{Colour, Name, Revision, ServiceSpec, Split, TypeUrl},
    snapshot::{ChangeKind, Input, ServiceInput, Snapshot, diff, only_routes_differ},
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn service(spec: serde_json::Value) -> ServiceInput {
    let mut whole =
        json!({ "fleet": "payments", "listener": { "address": "0.0.0.0", "port": 10000 } });
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let spec: ServiceSpec = serde_json::from_value(whole).unwrap();
    ServiceInput {
        spec: Arc::new(spec),
        blue: vec!["127.0.0.1:9001".parse().unwrap()],
        green: Vec::new(),
        split: Split::all_to(Colour::Blue),
    }
}

fn input(services: impl IntoIterator<Item = (&'static str, ServiceInput)>) -> Input {
    Input {
        services: services
            .into_iter()
            .map(|(service, input)| (name(service), Arc::new(input)))
            .collect(),
        resources: BTreeMap::new(),
    }
}

fn built(after: &Input) -> Snapshot {
    let empty = Snapshot::empty(name("payments"));
    build(&empty, &Input::default(), after).unwrap().snapshot
}

fn routes(snapshot: &Snapshot, listener: &str) -> RouteConfiguration {
    let resource = snapshot
        .resource(TypeUrl::RouteConfiguration, listener)
        .unwrap();
    RouteConfiguration::decode(resource.bytes.clone()).unwrap()
}

#[test]
fn both_environments_are_there_also_when_one_is_empty() {
    let snapshot = built(&input([("fraud-model", service(json!({})))]));
    for colour in Colour::BOTH {
        let name = cluster_name(&name("fraud-model"), colour);
        assert!(snapshot.resource(TypeUrl::Cluster, &name).is_some());
        let endpoints = snapshot
            .resource(TypeUrl::ClusterLoadAssignment, &name)
            .unwrap();
        let endpoints = ClusterLoadAssignment::decode(endpoints.bytes.clone()).unwrap();
        let expected = if colour == Colour::Blue { 1 } else { 0 };
        assert_eq!(endpoints.endpoints.len(), expected);
    }
}

#[test]
fn a_switch_changes_the_route_configuration_only_and_carries_over_the_rest() {
    let before = input([
        ("fraud-model", service(json!({}))),
        (
            "scores",
            service(json!({ "listener": { "address": "::", "port": 10001 } })),
        ),
    ]);
    let old = built(&before);
    let mut after = before.clone();
    let fraud = after.services.get_mut("fraud-model").unwrap();
    Arc::make_mut(fraud).split = Split::all_to(Colour::Green);
    let new = build(&old, &before, &after).unwrap().snapshot;

    assert_eq!(new.revision, Revision(2));
    assert_eq!(only_routes_differ(&old, &new), Ok(()));
    let changes = diff(&old, &new);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].kind, ChangeKind::Changed);
    assert_eq!(&*changes[0].name, "0.0.0.0:10000");
    for type_url in [
        TypeUrl::Cluster,
        TypeUrl::ClusterLoadAssignment,
        TypeUrl::Listener,
        TypeUrl::Runtime,
    ] {
        let (old, new) = (old.get(type_url).unwrap(), new.get(type_url).unwrap());
        assert!(Arc::ptr_eq(old, new));
    }
    let other = |snapshot: &Snapshot| {
        snapshot
            .resource(TypeUrl::RouteConfiguration, "[::]:10001")
            .cloned()
            .unwrap()
    };
    assert!(Arc::ptr_eq(&other(&old), &other(&new)));
}

#[test]
fn routes_are_tried_exact_first_then_longer_prefix_before_shorter() {
    let after = input([
        (
            "a",
            service(
                json!({ "routes": [{ "match": { "prefix": "/" } }, { "match": { "prefix": "/score/v2" } }] }),
            ),
        ),
        (
            "b",
            service(
                json!({ "routes": [{ "match": { "prefix": "/score" } }, { "match": { "path": "/x" } }] }),
            ),
        ),
    ]);
    let configuration = routes(&built(&after), "0.0.0.0:10000");
    assert_eq!(configuration.virtual_hosts.len(), 1);
    let order: Vec<_> = configuration.virtual_hosts[0]
        .routes
        .iter()
        .map(|route| route.name.as_str())
        .collect();
    assert_eq!(order, ["b", "a", "b", "a"]);
}

#[test]
fn a_host_is_in_one_virtual_host_whatever_its_case() {
    let after = input([
        (
            "a",
            service(json!({ "hosts": ["a.example", "Shared.example", "shared.example"] })),
        ),
        (
            "b",
            service(
                json!({ "hosts": ["shared.EXAMPLE"], "routes": [{ "match": { "path": "/b" } }] }),
            ),
        ),
    ]);
    let configuration = routes(&built(&after), "0.0.0.0:10000");
    let hosts: Vec<_> = configuration
        .virtual_hosts
        .iter()
        .map(|host| (host.domains.join(","), host.routes.len()))
        .collect();
    assert_eq!(
        hosts,
        [
            ("a.example".to_owned(), 1),
            ("shared.example".to_owned(), 2)
        ]
    );
}

#[test]
fn equal_matches_are_refused_by_name() {
    let after = input([("a", service(json!({}))), ("b", service(json!({})))]);
    let empty = Snapshot::empty(name("payments"));
    let error = build(&empty, &Input::default(), &after).unwrap_err();
    assert!(matches!(error, BuildError::SameMatch { .. }));
    assert_eq!(
        error.to_string(),
        "services a and b: host * on listener 0.0.0.0:10000 has prefix / twice: give one of the routes another match \
         or another host"
    );
}

#[test]
fn a_rotated_answer_of_a_name_server_is_no_change() {
    let addresses: [SocketAddr; 2] = ["10.0.0.1:1", "10.0.0.2:1"].map(|text| text.parse().unwrap());
    let mut before = service(json!({}));
    before.blue = addresses.to_vec();
    let mut after = before.clone();
    after.blue.reverse();
    let (before, after) = (input([("a", before)]), input([("a", after)]));
    let old = built(&before);
    let new = build(&old, &before, &after).unwrap().snapshot;
    assert_eq!(diff(&old, &new), []);
}

#[test]
fn what_is_removed_goes_with_its_listener() {
    let before = input([("a", service(json!({})))]);
    let old = built(&before);
    let new = build(&old, &before, &Input::default()).unwrap().snapshot;
    let left: Vec<_> = new
        .types()
        .flat_map(|set| set.resources.values())
        .map(|resource| resource.name.to_string())
        .collect();
    assert_eq!(left, ["bluegreen"]);
}

#[test]
fn a_rebuild_of_what_was_built_changes_nothing() {
    let input = input([("a", service(json!({})))]);
    let old = built(&input);
    let again = rebuild(&old, &input).unwrap().snapshot;
    assert_eq!(again.revision, Revision(2));
    assert_eq!(diff(&old, &again), []);
    assert_eq!(again.changed_types().count(), 0);
}
