//! Each thing that Envoy accepts and does not work is found, and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::{
    model::{Colour, Name, ResourceSet, ServiceSpec, Split},
    snapshot::{Input, ServiceInput, build},
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A fleet with the service `fraud-model` on port 10000 and these resources.
fn snapshot(resources: Vec<Value>) -> Snapshot {
    let spec: ServiceSpec = serde_json::from_value(json!({
        "fleet": "payments",
        "listener": { "address": "0.0.0.0", "port": 10000 },
    }))
    .unwrap();
    let service = ServiceInput::new(
        Arc::new(spec),
        vec!["127.0.0.1:9001".parse().unwrap()],
        Vec::new(),
        Split::all_to(Colour::Blue),
    );
    let set = ResourceSet {
        fleet: name("payments"),
        resources,
    };
    let input = Input {
        services: BTreeMap::from([(name("fraud-model"), Arc::new(service))]),
        resources: BTreeMap::from([(name("extra"), Arc::new(set))]),
    };
    let empty = Snapshot::empty(name("payments"));
    build(&empty, &Input::default(), &input).unwrap().snapshot
}

fn problems(resources: Vec<Value>) -> Vec<(Severity, String)> {
    check(&snapshot(resources))
        .iter()
        .map(|problem| {
            let text = format!("{problem}: {}", problem.remedy);
            (problem.severity, text)
        })
        .collect()
}

fn routes(actions: Vec<Value>) -> Value {
    let routes: Vec<_> = actions
        .into_iter()
        .map(|action| json!({ "match": { "prefix": "/" }, "route": action }))
        .collect();
    json!({ "@type": TypeUrl::RouteConfiguration.url(), "name": "mine",
        "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": routes }] })
}

fn listener(name: &str, address: &str, port: u32) -> Value {
    json!({ "@type": TypeUrl::Listener.url(), "name": name,
        "address": { "socket_address": { "address": address, "port_value": port } } })
}

#[test]
fn what_we_generate_has_no_problems() {
    assert_eq!(problems(vec![]), []);
}

#[test]
fn line_23_each_problem_is_named_with_its_place_and_remedy() {
    let ads = json!({ "ads": {} });
    let rds = json!({ "@type": TypeUrl::Listener.url(), "name": "edge", "filter_chains": [{ "filters": [{
        "name": "hcm", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "rds": { "config_source": ads, "route_config_name": "nowhere" },
            "access_log": [{ "name": "als", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
                "common_config": { "log_name": "l", "grpc_service": { "envoy_grpc": { "cluster_name": "logs" } } } } }] } }] }] });
    let table = [
        (
            routes(vec![json!({ "cluster": "gone" })]),
            "RouteConfiguration mine: it names the cluster gone, which does not exist; Envoy would answer 503: ",
        ),
        (
            routes(vec![
                json!({ "cluster": "fraud-model/blue" }),
                json!({ "weighted_clusters": { "clusters": [{ "name": "fraud-model/blue", "weight": 0 }] } }),
            ]),
            "RouteConfiguration mine at virtual_hosts[0].routes[1].route.weighted_clusters: the weights add up to 0;",
        ),
        (
            json!({ "@type": TypeUrl::RouteConfiguration.url(), "name": "mine", "virtual_hosts": [
                { "name": "a", "domains": ["x.example"] }, { "name": "b", "domains": ["y.example", "X.example"] }] }),
            "RouteConfiguration mine at virtual_hosts[1].domains[1]: the domain X.example is there twice;",
        ),
        (
            json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "type": "EDS",
                "eds_cluster_config": { "eds_config": ads, "service_name": "s" } }),
            "Cluster c: it takes its endpoints from the load assignment s, which does not exist;",
        ),
        (
            json!({ "@type": TypeUrl::ClusterLoadAssignment.url(), "cluster_name": "c", "endpoints": [{ "lb_endpoints": [
                { "endpoint": { "address": { "socket_address": { "address": "localhost", "port_value": 1 } } } }] }] }),
            "ClusterLoadAssignment c at endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: \
             \"localhost\" is no IP address;",
        ),
        (
            listener("mine", "0.0.0.0", 10000),
            "Listener mine at address: it listens on 0.0.0.0 port 10000, as the listener 0.0.0.0:10000 does;",
        ),
        (
            rds,
            "Listener edge: it asks for the route configuration nowhere, which does not exist;",
        ),
    ];
    for (resource, expected) in table {
        let found = problems(vec![resource]);
        let (severity, first) = &found[0];
        assert_eq!(*severity, Severity::Error);
        assert!(first.starts_with(expected), "{first}\n{expected}");
        assert!(
            found[1..]
                .iter()
                .all(|(severity, _)| *severity == Severity::Warning)
        );
    }
}

#[test]
fn what_may_be_meant_is_a_warning() {
    let found = problems(vec![listener("mine", "127.0.0.1", 10000)]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Severity::Warning);
    let other_family = problems(vec![listener("mine", "::1", 10000)]);
    assert_eq!(other_family, []);
}

#[test]
fn secrets_and_filters_that_do_not_exist_are_named() {
    let tls = json!({ "name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": { "validation_context_sds_secret_config": { "name": "ca", "sds_config": { "ads": {} } } } } });
    let cluster = json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "type": "STRICT_DNS", "transport_socket": tls });
    let mut listener = listener("mine", "127.0.0.1", 10001);
    listener["filter_chains"] = json!([{ "filters": [
        { "name": "guard", "config_discovery": { "config_source": { "ads": {} },
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"] } }] }]);
    let found = problems(vec![cluster.clone(), listener.clone()]);
    for what in [
        "Cluster c: it takes the secret ca from SDS",
        "Listener mine: it takes the filter guard from ECDS",
    ] {
        let (severity, text) = found
            .iter()
            .find(|(_, text)| text.starts_with(what))
            .expect(what);
        assert_eq!(*severity, Severity::Error, "{text}");
    }
    let ca = json!({ "@type": TypeUrl::Secret.url(), "name": "ca", "validation_context": {} });
    let guard = json!({ "@type": TypeUrl::TypedExtensionConfig.url(), "name": "guard", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC" } });
    assert_eq!(problems(vec![cluster, listener, ca, guard]), []);
}

#[test]
fn a_cluster_without_eds_needs_no_load_assignment() {
    let cluster = json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "type": "STRICT_DNS" });
    assert_eq!(
        problems(vec![cluster, routes(vec![json!({ "cluster": "c" })])]),
        []
    );
}

#[test]
fn a_cluster_that_goes_is_a_problem_of_the_route_that_stays() {
    let cluster = json!({ "@type": TypeUrl::Cluster.url(), "name": "c", "type": "STRICT_DNS" });
    let before = snapshot(vec![cluster, routes(vec![json!({ "cluster": "c" })])]);
    let changes = [(TypeUrl::Cluster, BTreeMap::from([(Arc::from("c"), None)]))];
    let after = before.with(before.revision.next(), changes.into());
    let found = check_since(&before, &after);
    assert_eq!(found.len(), 1);
    assert_eq!(&*found[0].name, "mine");
}
