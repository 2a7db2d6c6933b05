//! Each rule refuses what breaks it, by path, and what keeps all of them passes.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::*;
use crate::model::{Name, ServiceSpec, parse_documents};

fn good() -> Value {
    json!({
        "fleet": "payments",
        "listener": { "address": "0.0.0.0", "port": 10000 },
        "hosts": ["*", "a.example", "*.example"],
        "routes": [
            { "match": { "prefix": "/" }, "timeout": "2s",
              "retry": { "on": ["connect-failure"], "attempts": 2, "perTryTimeout": "1s" } },
            { "match": { "path": "/" }, "timeout": "0s" },
        ],
        "cluster": {
            "connectTimeout": "250ms",
            "healthCheck": { "path": "/healthz?deep=1", "interval": "2s", "timeout": "500ms" },
            "circuitBreaker": { "maxConnections": 1 },
        },
        "environments": { "blue": { "version": "v1.2", "endpoints": ["127.0.0.1:9001", "m.example:80"] } },
    })
}

fn spec(value: Value) -> ServiceSpec {
    serde_json::from_value(value).unwrap()
}

/// The good spec with the value at a JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Vec<String> {
    let mut changed = good();
    match changed.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    let found = validate_service(&spec(changed));
    found.iter().map(Invalid::to_string).collect()
}

#[test]
fn a_good_service_passes() {
    assert_eq!(validate_service(&spec(good())), []);
}

#[test]
fn each_rule_refuses_what_breaks_it() {
    for (pointer, value, expected) in [
        (
            "/listener/port",
            json!(0),
            "spec.listener.port: 0 is no port",
        ),
        (
            "/grpcTarget",
            json!("fraud"),
            "spec.grpcTarget: is only for gRPC clients",
        ),
        ("/hosts", json!([]), "spec.hosts: is empty"),
        ("/hosts/1", json!("a/b"), "spec.hosts[1]: \"a/b\" holds '/'"),
        (
            "/hosts/2",
            json!("A.example"),
            "spec.hosts[2]: \"A.example\" is hosts[1] already",
        ),
        ("/routes", json!([]), "spec.routes: is empty"),
        (
            "/routes/0/match/prefix",
            json!("x"),
            "spec.routes[0].match.prefix: \"x\" must begin with /",
        ),
        (
            "/routes/1/match/path",
            json!("/a?b"),
            "spec.routes[1].match.path: \"/a?b\" holds '?'",
        ),
        (
            "/routes/1/match/path",
            json!("/ä"),
            "spec.routes[1].match.path: ",
        ),
        (
            "/routes/1/match",
            json!({ "prefix": "/" }),
            "spec.routes[1].match: is the same as that of routes[0]",
        ),
        (
            "/routes/0/timeout",
            json!("200h"),
            "spec.routes[0].timeout: 200h is more than 168h",
        ),
        (
            "/routes/0/idleTimeout",
            json!("999999999h"),
            "spec.routes[0].idleTimeout: ",
        ),
        (
            "/routes/0/retry/on",
            json!([]),
            "spec.routes[0].retry.on: is empty",
        ),
        (
            "/routes/0/retry/attempts",
            json!(0),
            "spec.routes[0].retry.attempts: 0 is not from 1 to 10",
        ),
        (
            "/routes/0/retry/attempts",
            json!(11),
            "spec.routes[0].retry.attempts: 11 is not",
        ),
        (
            "/routes/0/retry/perTryTimeout",
            json!("0s"),
            "spec.routes[0].retry.perTryTimeout: must be more than 0",
        ),
        (
            "/routes/0/retry/perTryTimeout",
            json!("3s"),
            "spec.routes[0].retry.perTryTimeout: 3s is longer",
        ),
        (
            "/cluster/connectTimeout",
            json!("0s"),
            "spec.cluster.connectTimeout: must be more than 0",
        ),
        (
            "/cluster/healthCheck/path",
            json!("healthz"),
            "spec.cluster.healthCheck.path: \"healthz\" must begin",
        ),
        (
            "/cluster/healthCheck/interval",
            json!("0s"),
            "spec.cluster.healthCheck.interval: must be",
        ),
        (
            "/cluster/healthCheck/timeout",
            json!("0ms"),
            "spec.cluster.healthCheck.timeout: must be",
        ),
        (
            "/cluster/circuitBreaker/maxConnections",
            json!(0),
            "spec.cluster.circuitBreaker.maxConnections: 0",
        ),
        (
            "/environments/blue/version",
            json!(""),
            "spec.environments.blue.version: is empty",
        ),
        (
            "/environments/blue/version",
            json!("a\u{7}"),
            "spec.environments.blue.version: \"a\\u{7}\" must not",
        ),
        (
            "/environments/blue/version",
            json!(" a"),
            "spec.environments.blue.version: ",
        ),
        (
            "/environments/blue/version",
            json!("a".repeat(129)),
            "spec.environments.blue.version: has more than 128",
        ),
        (
            "/environments/blue/endpoints/1",
            json!("127.0.0.1:9001"),
            "spec.environments.blue.endpoints[1]: 127.0.0.1:9001 is endpoints[0]",
        ),
        (
            "/environments/blue/endpoints",
            json!(["[::1]:1", "[0:0::1]:1"]),
            "spec.environments.blue.endpoints[1]: ",
        ),
    ] {
        let found = with(pointer, value);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{pointer}: {found:?}"
        );
    }
}

#[test]
fn a_file_may_leave_the_environments_to_the_commands() {
    let mut value = good();
    value["environments"] = json!({});
    assert_eq!(validate_service(&spec(value)), []);
}

#[test]
fn resources_need_a_type_that_is_served() {
    let set = serde_json::from_value(json!({ "fleet": "f", "resources": [
        { "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster" },
        { "@type": "type.googleapis.com/envoy.api.v2.Cluster" },
        { "@type": "type.googleapis.com/envoy.Unheard" },
        { "name": "x" },
        { "@type": 5 },
        7,
    ] }))
    .unwrap();
    let found: Vec<_> = validate_resources(&set)
        .iter()
        .map(Invalid::to_string)
        .collect();
    let expected = [
        "spec.resources[1].@type: \"type.googleapis.com/envoy.api.v2.Cluster\" is no resource type, \
         did you mean type.googleapis.com/envoy.config.cluster.v3.Cluster?",
        "spec.resources[2].@type: \"type.googleapis.com/envoy.Unheard\" is no resource type, Envoys can be served Cluster",
        "spec.resources[3].@type: is missing, write e.g. type.googleapis.com/envoy.config.cluster",
        "spec.resources[4].@type: expected the type URL",
        "spec.resources[5]: expected a mapping",
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
}

fn fleet(services: &[(&str, &str, u16, &str, &str)]) -> Vec<String> {
    let services: BTreeMap<Name, Arc<ServiceSpec>> = services
        .iter()
        .map(|(name, address, port, host, prefix)| {
            let mut value = good();
            value["listener"] = json!({ "address": address, "port": port });
            value["hosts"] = json!([host]);
            value["routes"] = json!([{ "match": { "prefix": prefix } }]);
            (Name::parse(name).unwrap(), Arc::new(spec(value)))
        })
        .collect();
    let conflicts = validate_fleet(&services);
    conflicts.iter().map(FleetConflict::to_string).collect()
}

#[test]
fn services_share_a_listener_unless_they_take_the_same_requests() {
    let any = "0.0.0.0";
    let none: [String; 0] = [];
    assert_eq!(
        fleet(&[
            ("a", any, 1, "*", "/"),
            ("b", any, 1, "*", "/b"),
            ("c", any, 1, "c", "/"),
            ("d", any, 2, "*", "/")
        ]),
        none
    );
    assert_eq!(
        fleet(&[
            ("a", any, 1, "X.example", "/b"),
            ("b", any, 1, "x.example", "/b")
        ]),
        ["services a and b both take prefix \"/b\" of host \"x.example\" on 0.0.0.0:1"]
    );
}

#[test]
fn one_port_is_bound_at_one_address_or_at_several_but_not_at_all_and_one() {
    assert_eq!(
        fleet(&[
            ("b", "0.0.0.0", 1, "b", "/"),
            ("a", "127.0.0.1", 1, "a", "/")
        ]),
        ["services a and b listen on 127.0.0.1:1 and 0.0.0.0:1, which can't both be bound"]
    );
    let none: [String; 0] = [];
    for (a, b) in [
        ("127.0.0.1", "127.0.0.2"),
        ("0.0.0.0", "::"),
        ("::", "127.0.0.1"),
    ] {
        assert_eq!(fleet(&[("a", a, 1, "a", "/"), ("b", b, 1, "b", "/")]), none);
    }
    assert_eq!(
        fleet(&[("a", "::", 1, "a", "/"), ("b", "::1", 1, "b", "/")]).len(),
        1
    );
}

#[test]
fn the_same_name_twice_is_refused_with_both_places() {
    let text = "apiVersion: bluegreen/v1\nkind: EnvoyResources\nmetadata: { name: x }\nspec: { fleet: f }\n";
    let one = parse_documents("one.yaml", text).unwrap();
    let two = parse_documents("two.yaml", &format!("# again\n{text}")).unwrap();
    assert_eq!(unique_documents([("one.yaml", &one[0])]), Ok(()));
    let error = unique_documents([("one.yaml", &one[0]), ("two.yaml", &two[0])]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "EnvoyResources x is declared twice, in one.yaml line 1 and in two.yaml line 2"
    );
}

/// The good service for gRPC clients, with that target and only this route.
fn grpc(target: Value, matcher: Value) -> Vec<String> {
    let mut value = good();
    value["client"] = json!("grpc");
    value["grpcTarget"] = target;
    value["routes"] = json!([{ "match": matcher }]);
    let found = validate_service(&spec(value));
    found.iter().map(Invalid::to_string).collect()
}

#[test]
fn a_grpc_target_is_a_name_and_some_route_matches_calls() {
    let all = json!({ "prefix": "/" });
    for good in [json!(null), json!("fraud-model"), json!("a.b/c:443")] {
        assert_eq!(grpc(good, all.clone()), [""; 0]);
    }
    for (bad, says) in [
        ("", "is empty"),
        ("xds:///fraud", "is written without xds:///, as \"fraud\""),
        ("0.0.0.0:10000", "is an address"),
        ("/fraud", "must begin with a letter or digit"),
        ("fraud model", "hold only letters"),
        (&"x".repeat(254), "more than 253 bytes"),
    ] {
        let found = grpc(json!(bad), all.clone());
        assert!(
            found.len() == 1
                && found[0].starts_with("spec.grpcTarget: ")
                && found[0].contains(says),
            "{bad}: {found:?}"
        );
    }
    for matches in [
        json!({ "prefix": "/fraud" }),
        json!({ "prefix": "/fraud.Model/Sc" }),
        json!({ "path": "/fraud.Model/Score" }),
    ] {
        assert_eq!(grpc(json!("a"), matches), [""; 0]);
    }
    for never in [
        json!({ "path": "/score" }),
        json!({ "path": "/a/b/c" }),
        json!({ "path": "/a/" }),
        json!({ "prefix": "/a/b/" }),
        json!({ "prefix": "//a" }),
    ] {
        let found = grpc(json!("a"), never);
        assert!(
            found.len() == 1 && found[0].contains("/SERVICE/METHOD"),
            "{found:?}"
        );
    }
}

#[test]
fn two_services_are_not_one_grpc_target() {
    let services = ["a", "b", "c"].map(|name| {
        let mut value = good();
        value["listener"] = json!(null);
        value["client"] = json!("grpc");
        if name == "c" {
            value["grpcTarget"] = json!("a");
        }
        (Name::parse(name).unwrap(), Arc::new(spec(value)))
    });
    let conflicts = validate_fleet(&services.into());
    let conflicts: Vec<String> = conflicts.iter().map(FleetConflict::to_string).collect();
    assert_eq!(conflicts, ["services a and c are both the gRPC target a"]);
}
