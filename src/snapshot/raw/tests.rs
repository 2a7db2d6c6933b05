//! What users may write, and what they are told when it is wrong.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::route::v3::{
    RouteConfiguration, route::Action, route_action::ClusterSpecifier,
};
use proptest::prelude::*;
use prost::Message as _;
use serde_json::json;

use super::*;
use crate::model::{Colour, ServiceSpec, Split, TypeUrl};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn services() -> BTreeMap<Name, Arc<ServiceInput>> {
    let spec: ServiceSpec = serde_json::from_value(json!({ "fleet": "payments" })).unwrap();
    let input = ServiceInput::new(
        Arc::new(spec),
        Vec::new(),
        Vec::new(),
        Split::all_to(Colour::Green),
    );
    [(name("fraud-model"), Arc::new(input))].into()
}

fn encoded(resources: Vec<Value>) -> Result<Encoded, String> {
    let set = ResourceSet {
        fleet: name("payments"),
        resources,
    };
    encode(&name("extra"), &set, &services(), &BTreeSet::new(), |_| {
        true
    })
    .map_err(|error| error.to_string())
}

fn routes(action: Value) -> Value {
    json!({
        "@type": TypeUrl::RouteConfiguration.url(),
        "name": "mine",
        "virtual_hosts": [{ "name": "v", "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": action }] }],
    })
}

fn refused(resource: Value) -> String {
    encoded(vec![resource]).unwrap_err()
}

#[test]
fn a_route_to_a_service_becomes_its_split() {
    let encoded = encoded(vec![routes(
        json!({ "cluster": "service:fraud-model", "timeout": "2s" }),
    )])
    .unwrap();
    let [resource] = encoded.resources.as_slice() else {
        panic!("{encoded:?}");
    };
    let configuration = RouteConfiguration::decode(resource.bytes.clone()).unwrap();
    let Some(Action::Route(action)) = &configuration.virtual_hosts[0].routes[0].action else {
        panic!("{configuration:?}");
    };
    assert_eq!(action.timeout.unwrap().seconds, 2);
    let Some(ClusterSpecifier::WeightedClusters(weighted)) = &action.cluster_specifier else {
        panic!("{action:?}");
    };
    let weights: Vec<_> = weighted
        .clusters
        .iter()
        .map(|cluster| (cluster.name.as_str(), cluster.weight.unwrap().value))
        .collect();
    assert_eq!(
        weights,
        [("fraud-model/blue", 0), ("fraud-model/green", 100)]
    );
    assert!(resource.references.clusters.contains("fraud-model/blue"));
    assert!(encoded.warnings.is_empty());
}

#[test]
fn an_environment_may_be_named_by_itself() {
    let encoded = encoded(vec![routes(json!({ "cluster": "fraud-model/blue" }))]).unwrap();
    let references = &encoded.resources[0].references;
    assert_eq!(references.clusters, ["fraud-model/blue".into()].into());
}

#[test]
fn a_service_that_is_not_there_is_named() {
    assert_eq!(
        refused(routes(json!({ "cluster": "service:fraud-modle" }))),
        "EnvoyResources extra, resources[0] (RouteConfiguration mine) at virtual_hosts[0].routes[0].route.cluster: \
         service:fraud-modle names no service of this fleet, did you mean fraud-model?: apply the service in the same \
         go, or before"
    );
}

#[test]
fn a_split_stands_only_where_a_switch_can_change_it() {
    let share = routes(
        json!({ "weighted_clusters": { "clusters": [{ "name": "service:fraud-model", "weight": 1 }] } }),
    );
    assert!(refused(share).ends_with(
        "at virtual_hosts[0].routes[0].route.weighted_clusters.clusters[0].name: the split of a service can't be a \
         share of another one: write service:fraud-model as the route's cluster, or name fraud-model/blue and \
         fraud-model/green with weights of your own"
    ));
    let mirror = routes(
        json!({ "cluster": "x", "request_mirror_policies": [{ "cluster": "service:fraud-model" }] }),
    );
    assert!(refused(mirror).ends_with(
        "request_mirror_policies[0].cluster: service:fraud-model can only be the cluster of a route: here name \
         fraud-model/blue or fraud-model/green"
    ));
    let one = routes(json!({ "cluster": "service:fraud-model/blue" }));
    assert!(
        refused(one).ends_with("stands for both environments: to name one, write fraud-model/blue")
    );
    let mut inline = routes(json!({ "cluster": "service:fraud-model" }));
    inline.as_object_mut().unwrap().remove("@type");
    let listener = json!({
        "@type": TypeUrl::Listener.url(),
        "name": "edge",
        "filter_chains": [{ "filters": [{ "name": "hcm", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "route_config": inline } }] }],
    });
    assert!(refused(listener).contains("at filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].route.cluster: a route to service:fraud-model must be in a RouteConfiguration"));
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let table = [
        (
            json!("Cluster"),
            "resources[0]: a resource is a mapping with @type",
        ),
        (json!({ "name": "c" }), "resources[0] (c): no @type"),
        (
            json!({ "@type": "type.googleapis.com/envoy.config.cluster.v2.Cluster", "name": "c" }),
            "resources[0] (c): type.googleapis.com/envoy.config.cluster.v2.Cluster is no resource type that Envoys ask a control plane \
             for, did you mean type.googleapis.com/envoy.config.cluster.v3.Cluster?; the types are Cluster,",
        ),
        (
            json!({ "@type": TypeUrl::Cluster.url() }),
            "resources[0] (Cluster): no name: every resource needs one",
        ),
        (
            json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "conect_timeout": "1s" }),
            "resources[0] (Cluster c) at conect_timeout: unknown field, did you mean connect_timeout?",
        ),
        (
            json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "connectTimeout": "soon" }),
            "resources[0] (Cluster c) at connectTimeout: ",
        ),
        (
            json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "lb_policy": "BEST" }),
            "resources[0] (Cluster c) at lb_policy: ",
        ),
        (
            json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "health_checks": [{ "timeout": "1s" }, { "interval": true }] }),
            "resources[0] (Cluster c) at health_checks[1].interval: ",
        ),
        (
            json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "typed_extension_protocol_options": { "a.b": { "x": 1 } } }),
            "resources[0] (Cluster c) at typed_extension_protocol_options.a.b: no @type: this is a message of any type",
        ),
        (
            json!({ "@type": TypeUrl::Listener.url(), "name": "l", "filter_chains": [{ "filters": [
                { "name": "f", "typed_config": { "@type": "type.googleapis.com/my.Filter" } }] }] }),
            "resources[0] (Listener l) at filter_chains[0].filters[0].typed_config.@type: type.googleapis.com/my.Filter \
             is no message of Envoy's API",
        ),
        (
            json!({ "@type": TypeUrl::Listener.url(), "name": "l", "filter_chains": [{ "filters": [
                { "name": "f", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefx": "x" } }] }] }),
            "resources[0] (Listener l) at filter_chains[0].filters[0].typed_config.stat_prefx: unknown field, did you \
             mean stat_prefix?",
        ),
        (
            routes(json!({ "cluster": "a", "cluster_header": "b" })),
            "resources[0] (RouteConfiguration mine) at virtual_hosts[0].routes[0].route: ",
        ),
    ];
    for (resource, expected) in table {
        let message = refused(resource);
        let expected = format!("EnvoyResources extra, {expected}");
        assert!(message.starts_with(&expected), "{message}\n{expected}");
        assert!(!message.contains('\n'));
        assert!(
            message.len() > expected.len() || !expected.ends_with(' '),
            "{message}"
        );
    }
}

#[test]
fn two_of_one_name_are_refused() {
    let message = encoded(vec![
        routes(json!({ "cluster": "a" })),
        routes(json!({ "cluster": "b" })),
    ])
    .unwrap_err();
    assert!(message.starts_with(
        "EnvoyResources extra, resources[1] (RouteConfiguration mine): there are two"
    ));
}

#[test]
fn line_27_what_is_legal_but_unwise_is_told() {
    let weighted = json!({ "clusters": [{ "name": "a", "weight": 1 }], "runtime_key_prefix": "x" });
    let encoded = encoded(vec![routes(json!({ "weighted_clusters": weighted }))]).unwrap();
    assert_eq!(
        encoded.warnings,
        [
            "EnvoyResources extra, RouteConfiguration mine at virtual_hosts[0].routes[0].route.weighted_clusters: \
          runtime_key_prefix lets a runtime value override these weights, unseen by bluegreen"
        ]
    );
}

#[test]
fn every_served_type_can_be_written() {
    for type_url in TypeUrl::ALL {
        let field = match type_url {
            TypeUrl::ClusterLoadAssignment => "cluster_name",
            _ => "name",
        };
        let encoded = encoded(vec![json!({ "@type": type_url.url(), field: "x" })]).unwrap();
        assert_eq!(encoded.resources[0].type_url, type_url);
        assert_eq!(&*encoded.resources[0].name, "x");
    }
}

/// JSON in the neighbourhood of what is legal.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("name".to_owned()),
        Just("@type".to_owned()),
        Just("virtual_hosts".to_owned()),
        Just("routes".to_owned()),
        Just("route".to_owned()),
        Just("cluster".to_owned()),
        Just("typed_per_filter_config".to_owned()),
        Just("service:fraud-model".to_owned()),
        Just(TypeUrl::RouteConfiguration.url().to_owned()),
        ".*",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_read_or_refused_on_one_line(mut value in any_json()) {
        if let Value::Object(fields) = &mut value {
            fields.insert("@type".to_owned(), TypeUrl::RouteConfiguration.url().into());
        }
        if let Err(message) = encoded(vec![value]) {
            prop_assert!(!message.contains('\n'));
        }
    }
}

#[test]
fn a_number_that_its_field_can_not_have_is_told_what_it_may_be() {
    let cluster = |buffer: Value| {
        refused(json!({
            "@type": TypeUrl::Cluster.url(),
            "name": "mine",
            "per_connection_buffer_limit_bytes": buffer,
        }))
    };
    for buffer in [json!(-1), json!(1e20), json!("much"), json!(true)] {
        let told = cluster(buffer.clone());
        let says = format!(
            "at per_connection_buffer_limit_bytes: {buffer} is no whole number from 0 to 4294967295"
        );
        assert!(told.ends_with(&says), "{told}");
    }
    let weights = json!([{ "name": "fraud-model/blue", "weight": -3 }]);
    let told = refused(routes(
        json!({ "weighted_clusters": { "clusters": weights } }),
    ));
    let says = "clusters[0].weight: -3 is no whole number from 0 to 4294967295";
    assert!(told.ends_with(says), "{told}");
    let told = refused(json!({
        "@type": TypeUrl::Cluster.url(),
        "name": "mine",
        "type": "STATIC",
        "lb_subset_config": { "fallback_policy": "ANY_ENDPOINT" },
        "max_requests_per_connection": [1],
    }));
    assert!(told.contains("at max_requests_per_connection: "), "{told}");
}
