//! What is built, and what a change leaves alone.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use envoy_types::pb::{
    envoy::config::{
        cluster::v3::Cluster,
        endpoint::v3::ClusterLoadAssignment,
        route::v3::{RouteConfiguration, route::Action},
    },
    google::protobuf::Duration as ProtoDuration,
};
use proptest::prelude::*;
use prost::Message as _;
use serde_json::json;

use super::{BuildError, build, cluster_name, rebuild};
use crate::{
    model::{Colour, Name, ResourceSet, Revision, ServiceSpec, Split, TypeUrl},
    snapshot::{ChangeKind, Digest, Input, ServiceInput, Snapshot, diff, only_routes_differ},
};

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(super) fn service(spec: serde_json::Value) -> ServiceInput {
    let mut whole =
        json!({ "fleet": "payments", "listener": { "address": "0.0.0.0", "port": 10000 } });
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let spec: ServiceSpec = serde_json::from_value(whole).unwrap();
    ServiceInput::new(
        Arc::new(spec),
        vec!["127.0.0.1:9001".parse().unwrap()],
        Vec::new(),
        Split::all_to(Colour::Blue),
    )
}

pub(super) fn input(services: impl IntoIterator<Item = (&'static str, ServiceInput)>) -> Input {
    Input {
        services: services
            .into_iter()
            .map(|(service, input)| (name(service), Arc::new(input)))
            .collect(),
        resources: BTreeMap::new(),
    }
}

pub(super) fn built(after: &Input) -> Snapshot {
    let empty = Snapshot::empty(name("payments"));
    build(&empty, &Input::default(), after).unwrap().snapshot
}

pub(super) fn routes(snapshot: &Snapshot, listener: &str) -> RouteConfiguration {
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

#[test]
fn what_a_route_says_is_in_its_action() {
    let spec = json!({
        "cluster": { "protocol": "grpc" },
        "routes": [
            { "match": { "path": "/stream" }, "websocket": true, "idleTimeout": "1h" },
            { "match": { "prefix": "/" }, "timeout": "1s500ms",
                "retry": { "on": ["5xx", "unavailable"], "attempts": 3, "perTryTimeout": "200ms" } },
        ],
    });
    let configuration = routes(&built(&input([("a", service(spec))])), "0.0.0.0:10000");
    let action = |at: usize| match &configuration.virtual_hosts[0].routes[at].action {
        Some(Action::Route(action)) => action.clone(),
        other => panic!("{other:?}"),
    };
    let seconds = |time: Option<ProtoDuration>| time.map(|time| (time.seconds, time.nanos));
    let (stream, scores) = (action(0), action(1));
    assert_eq!(
        seconds(stream.timeout),
        Some((0, 0)),
        "gRPC has no limit of its own"
    );
    assert_eq!(seconds(stream.idle_timeout), Some((3600, 0)));
    assert_eq!(stream.upgrade_configs[0].upgrade_type, "websocket");
    assert_eq!(stream.retry_policy, None);
    assert_eq!(seconds(scores.timeout), Some((1, 500_000_000)));
    assert!(scores.upgrade_configs.is_empty());
    let retry = scores.retry_policy.unwrap();
    assert_eq!(retry.retry_on, "5xx,unavailable");
    assert_eq!(retry.num_retries.unwrap().value, 3);
    assert_eq!(seconds(retry.per_try_timeout), Some((0, 200_000_000)));
}

#[test]
fn http_routes_keep_the_default_timeout_of_envoy() {
    let configuration = routes(&built(&input([("a", service(json!({})))])), "0.0.0.0:10000");
    let Some(Action::Route(action)) = &configuration.virtual_hosts[0].routes[0].action else {
        panic!("{configuration:?}");
    };
    assert_eq!((action.timeout, action.idle_timeout), (None, None));
}

#[test]
fn a_listener_stays_as_it_is_whatever_its_services_declare() {
    let before = input([("a", service(json!({})))]);
    let after = input([
        (
            "a",
            service(json!({ "routes": [{ "match": { "prefix": "/a" }, "websocket": true }] })),
        ),
        (
            "b",
            service(json!({ "hosts": ["b.example"], "cluster": { "protocol": "http2" } })),
        ),
    ]);
    let old = built(&before);
    let new = build(&old, &before, &after).unwrap().snapshot;
    let listeners = |snapshot: &Snapshot| snapshot.get(TypeUrl::Listener).cloned().unwrap();
    assert!(Arc::ptr_eq(&listeners(&old), &listeners(&new)));
}

#[test]
fn limits_that_are_not_said_are_none() {
    let spec = json!({ "cluster": { "circuitBreaker": { "maxRequests": 7 } } });
    let snapshot = built(&input([("a", service(spec))]));
    let cluster = snapshot.resource(TypeUrl::Cluster, "a/green").unwrap();
    let cluster = Cluster::decode(cluster.bytes.clone()).unwrap();
    for thresholds in cluster.circuit_breakers.unwrap().thresholds {
        assert_eq!(thresholds.max_requests.unwrap().value, 7);
        assert_eq!(thresholds.max_connections.unwrap().value, u32::MAX);
        assert_eq!(thresholds.max_pending_requests.unwrap().value, u32::MAX);
    }
}

pub(super) fn raw_set(resources: Vec<serde_json::Value>) -> Arc<ResourceSet> {
    Arc::new(ResourceSet {
        fleet: name("payments"),
        resources,
    })
}

pub(super) fn raw_routes(of: &str, to: &str) -> serde_json::Value {
    json!({ "@type": TypeUrl::RouteConfiguration.url(), "name": of, "virtual_hosts": [{ "name": "v", "domains": ["*"],
        "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": to } }] }] })
}

/// A listener of gRPC clients that asks for those routes.
pub(super) fn raw_dialled(of: &str, routes: &str) -> serde_json::Value {
    const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    json!({ "@type": TypeUrl::Listener.url(), "name": of, "api_listener": { "api_listener": {
        "@type": MANAGER, "rds": { "route_config_name": routes, "config_source": { "ads": {} } } } } })
}

/// Any declaration of service number `number`; its matches are its own, so that services can share hosts.
fn any_service(number: usize) -> impl Strategy<Value = ServiceInput> {
    let listener = prop_oneof![
        Just(json!(null)),
        Just(json!({ "address": "0.0.0.0", "port": 10000 })),
        Just(json!({ "address": "::", "port": 10001 })),
    ];
    let hosts = prop_oneof![
        Just(json!(["*"])),
        Just(json!(["x.example", "Y.example"])),
        Just(json!(["x.example"]))
    ];
    let protocol = prop_oneof![Just("http1"), Just("grpc")];
    let addresses = || proptest::collection::vec(1u16..4, 0..3);
    let live = prop_oneof![Just(Colour::Blue), Just(Colour::Green)];
    (listener, hosts, protocol, addresses(), addresses(), live).prop_map(
        move |(listener, hosts, protocol, blue, green, live)| {
            let mut spec = json!({
                "hosts": hosts,
                "cluster": { "protocol": protocol },
                "routes": [{ "match": { "prefix": format!("/{number}") } }],
            });
            spec["listener"] = listener;
            let socket = |port| SocketAddr::from(([10, 0, 0, 1], port));
            let mut input = service(spec);
            input.blue = blue.into_iter().map(socket).collect();
            input.green = green.into_iter().map(socket).collect();
            input.split = Split::all_to(live);
            input
        },
    )
}

fn any_input() -> impl Strategy<Value = Input> {
    let services = (0..3)
        .map(|number| proptest::option::of(any_service(number)))
        .collect::<Vec<_>>();
    // Which set has the route configuration of each number, and what it routes to.
    let raws = proptest::collection::vec((0..3usize, 0..4usize), 3);
    // And for some of them a listener of gRPC clients, in any set.
    let dialled = proptest::collection::vec((0..3usize, 0..6usize), 2);
    (services, raws, dialled).prop_map(|(services, raws, dialled)| {
        let mut input = Input::default();
        for (number, service) in services.into_iter().enumerate() {
            if let Some(service) = service {
                input
                    .services
                    .insert(name(&format!("s{number}")), Arc::new(service));
            }
        }
        let mut sets: BTreeMap<usize, Vec<serde_json::Value>> = BTreeMap::new();
        for (number, (set, to)) in raws.into_iter().enumerate() {
            let there = input.services.contains_key(format!("s{to}").as_str());
            let to = if there {
                format!("service:s{to}")
            } else {
                "elsewhere".to_owned()
            };
            sets.entry(set)
                .or_default()
                .push(raw_routes(&format!("r{number}"), &to));
        }
        for (number, (set, routes)) in dialled.into_iter().enumerate() {
            let listener = raw_dialled(&format!("l{number}"), &format!("r{routes}"));
            sets.entry(set).or_default().push(listener);
        }
        for (set, resources) in sets {
            input
                .resources
                .insert(name(&format!("set{set}")), raw_set(resources));
        }
        input
    })
}

fn content(snapshot: &Snapshot) -> Vec<(TypeUrl, String, Digest)> {
    let resources = snapshot.types().flat_map(|set| set.resources.values());
    resources
        .map(|resource| {
            (
                resource.type_url,
                resource.name.to_string(),
                resource.digest,
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Equal inputs build equal content, whatever was before; and what did not change is the very same resource.
    #[test]
    fn a_build_from_what_was_before_is_the_build_from_nothing(inputs in proptest::collection::vec(any_input(), 2..5)) {
        let mut snapshot = Snapshot::empty(name("payments"));
        let mut before = Input::default();
        for after in inputs {
            let next = build(&snapshot, &before, &after).unwrap().snapshot;
            prop_assert_eq!(content(&next), content(&built(&after)));
            for set in next.types() {
                for (name, resource) in &set.resources {
                    if let Some(old) = snapshot.resource(set.type_url, name)
                        && old.digest == resource.digest
                    {
                        prop_assert!(Arc::ptr_eq(old, resource));
                    }
                }
            }
            (snapshot, before) = (next, after);
        }
    }
}
