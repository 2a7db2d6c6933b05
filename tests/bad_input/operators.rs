//! What operators get wrong: resources that can't be decoded, references to nothing, fleets and targets that are not there.

use serde_json::Value;

use super::{RESOURCES, SERVICE, apply, bad, everything, refused};
use crate::support::world::{START, World};

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster, name: mine";

#[tokio::test]
async fn a_resource_that_can_not_be_decoded_is_named_with_the_place_in_it() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let before = everything(&world).await;
    let cases: [(&str, &[&str]); 11] = [
        (
            "envoy.config.cluster.v3.Cluster, name: mine, per_connection_buffer_limit_bytes: -1",
            &[
                "at per_connection_buffer_limit_bytes",
                "-1 is no whole number from 0 to 4294967295",
            ],
        ),
        (
            "envoy.config.cluster.v3.Cluster, name: \"mine\\e[31m\"",
            &["resources[0].name", "control characters", "line 7"],
        ),
        // A value that its field can't have.
        (
            "envoy.config.cluster.v3.Cluster, name: mine, connect_timeout: soon",
            &[
                "resources[0] (Cluster mine) at connect_timeout",
                "\"soon\" is no duration",
            ],
        ),
        (
            "envoy.config.cluster.v3.Cluster, name: mine, type: EDSS",
            &["resources[0] (Cluster mine) at type", "EDSS"],
        ),
        (
            "envoy.config.cluster.v3.Cluster, name: [mine]",
            &["resources[0]", "at name"],
        ),
        (
            "envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: mine, endpoints: { lb_endpoints: [] }",
            &["ClusterLoadAssignment mine", "at endpoints"],
        ),
        // A message of any type that says none, or one that Envoy does not have.
        (
            "envoy.config.cluster.v3.Cluster, name: mine, typed_extension_protocol_options: { a: { b: 1 } }",
            &["at typed_extension_protocol_options", "@type"],
        ),
        (
            "envoy.config.listener.v3.Listener, name: mine, api_listener: { api_listener: { \"@type\": type.googleapis.com/my.Manager } }",
            &[
                "Listener mine",
                "at api_listener.api_listener",
                "my.Manager",
            ],
        ),
        // Nothing can ask for it.
        (
            "envoy.config.cluster.v3.Cluster, connect_timeout: 1s",
            &["resources[0]", "no name"],
        ),
        // Two of a kind.
        (
            "envoy.config.cluster.v3.Cluster, name: mine }\n    - { \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: mine",
            &["Cluster mine", "is there twice in EnvoyResources extra"],
        ),
        (
            "envoy.config.route.v3.RouteConfiguration, name: mine, virtual_hosts: [{ name: a, domains: [\"*\"], routes: [{ match: { prefix: / }, route: { cluster: \"service:fraud-modle\" } }] }]",
            &[
                "at virtual_hosts[0].routes[0].route.cluster",
                "service:fraud-modle",
                "did you mean fraud-model?",
            ],
        ),
    ];
    for (resource, says) in cases {
        let document = bad(RESOURCES, CLUSTER, resource, 2, &[]).document;
        refused(&apply(&world, &document).await, 2, says);
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_reference_to_nothing_is_named_and_can_be_insisted_on() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let before = everything(&world).await;
    let references: [(&str, &[&str]); 4] = [
        (
            "envoy.config.route.v3.RouteConfiguration, name: mine, virtual_hosts: [{ name: a, domains: [\"*\"], routes: [{ match: { prefix: / }, route: { cluster: nobody } }] }]",
            &[
                "RouteConfiguration mine",
                "cluster nobody",
                "invalid-resources",
            ],
        ),
        (
            "envoy.config.route.v3.RouteConfiguration, name: mine, virtual_hosts: [{ name: a, domains: [\"*\"], routes: [{ match: { prefix: / }, route: { cluster: fraud-model/blue, request_mirror_policies: [{ cluster: mirror }] } }] }]",
            &["RouteConfiguration mine", "cluster mirror"],
        ),
        (
            "envoy.config.cluster.v3.Cluster, name: mine, type: EDS, eds_cluster_config: { eds_config: { ads: {} } }",
            &["Cluster mine", "load assignment mine"],
        ),
        (
            "envoy.config.listener.v3.Listener, name: mine, api_listener: { api_listener: { \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, rds: { route_config_name: nowhere, config_source: { ads: {} } } } }",
            &["Listener mine", "route configuration nowhere"],
        ),
    ];
    for (resource, says) in references {
        let document = bad(RESOURCES, CLUSTER, resource, 36, &[]).document;
        refused(&apply(&world, &document).await, 36, says);
    }
    assert_eq!(everything(&world).await, before);

    // It may be meant so: the reference is said all the same, and the revision is there.
    let document = bad(RESOURCES, CLUSTER, references[0].0, 0, &[]).document;
    let insisted = world.apply(&document, &["--no-verify"]).await.ok();
    let said = format!("{}{}", insisted.stdout, insisted.stderr);
    assert!(said.contains("cluster nobody"), "{insisted:?}");
    let fleet = world.json(&["fleet", "payments"]).await;
    assert_eq!(fleet["revision"], 2);
    // What was waived then stops nobody now.
    let next = SERVICE.replace("127.0.0.1:9001", "127.0.0.1:9002");
    apply(&world, &next).await.ok();
}

#[tokio::test]
async fn an_unknown_fleet_is_not_found_whatever_is_asked_of_it() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let before = everything(&world).await;
    let commands: [&[&str]; 10] = [
        &["fleet", "nobody"],
        &["fleet", "nobody", "edge-1"],
        &["fleet", "nobody", "--stats"],
        &["fleet", "forget", "nobody", "edge-1"],
        &["history", "nobody"],
        &["show", "nobody"],
        &["diff", "nobody", "1", "2"],
        &["export", "nobody"],
        &["rebuild", "nobody", "--yes"],
        &["rollback", "--fleet", "nobody", "--to-revision", "1"],
    ];
    for command in commands {
        refused(&world.cli(command).await, 3, &["nobody"]);
    }
    // A name that can be no fleet's.
    refused(&world.cli(&["fleet", "a b"]).await, 3, &["a b"]);
    // Nothing that was asked for has made a fleet.
    let fleets = world.json(&["fleet"]).await;
    let names: Vec<&Value> = fleets
        .as_array()
        .expect("a list")
        .iter()
        .map(|fleet| &fleet["fleet"])
        .collect();
    assert_eq!(names, ["payments"]);
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_grpc_target_that_nothing_can_dial_is_refused_by_its_place() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let before = everything(&world).await;
    let cases: [(&str, i32, &[&str]); 6] = [
        ("client: grcp", 2, &["spec.client", "grcp", "line 6"]),
        (
            "grpcTarget: fraud",
            2,
            &["spec.grpcTarget", "client: grpc", "line 6"],
        ),
        (
            "client: grpc\n  grpcTarget: \"xds:///fraud\"",
            2,
            &["spec.grpcTarget", "\"fraud\""],
        ),
        (
            "client: grpc\n  grpcTarget: 0.0.0.0:10000",
            2,
            &["spec.grpcTarget", "0.0.0.0:10000"],
        ),
        (
            "client: grpc\n  routes: [{ match: { path: /score } }]",
            2,
            &["spec.routes", "/SERVICE/METHOD"],
        ),
        ("client: grpc\n  hosts: []", 2, &["spec.hosts"]),
    ];
    for (field, code, says) in cases {
        let fleet = "fleet: payments";
        let document = SERVICE.replace(fleet, &format!("{fleet}\n  {field}"));
        refused(&apply(&world, &document).await, code, says);
    }
    let grpc = SERVICE.replace("fleet: payments", "fleet: payments\n  client: grpc");
    let twin = grpc
        .replace("name: fraud-model", "name: twin")
        .replace("port: 10000", "port: 10001")
        .replace("client: grpc", "client: grpc\n  grpcTarget: fraud-model");
    let two = format!("{grpc}---\n{twin}");
    refused(
        &apply(&world, &two).await,
        2,
        &["fraud-model and twin", "gRPC target fraud-model"],
    );
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_check_can_not_be_decided_where_there_is_nothing_to_decide() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let before = everything(&world).await;
    for verb in ["approve", "reject"] {
        for check in [&[][..], &["--check", "sign-off"]] {
            let on = |service| [&[verb, service], check].concat();
            refused(&world.cli(&on("nobody")).await, 3, &["service \"nobody\""]);
            refused(
                &world.cli(&on("fraud-model")).await,
                45,
                &["fraud-model has no release on its way", "no-release"],
            );
        }
    }
    assert_eq!(everything(&world).await, before);

    // There is a release, and no person is asked in it.
    let release = [
        "release",
        "fraud-model",
        "--version",
        "v1.3",
        "--endpoint",
        "127.0.0.1:1",
        "--detach",
    ];
    world.cli(&release).await.ok();
    refused(
        &world.cli(&["approve", "fraud-model"]).await,
        2,
        &["release 1 of fraud-model has no manual check"],
    );
}

#[tokio::test]
async fn a_release_that_is_not_there_is_not_watched() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let watch = ["watch", "fraud-model", "--until", "ready"];
    let watching = tokio::time::timeout(START, world.cli(&watch)).await;
    refused(
        &watching.expect("it ends"),
        3,
        &[
            "fraud-model has had no release",
            "bluegreen release fraud-model",
        ],
    );
}

#[tokio::test]
async fn a_release_without_endpoints_is_told_how_it_is_said() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let ran = world
        .cli(&["release", "fraud-model", "--version", "v1.3"])
        .await;
    refused(&ran, 20, &["without endpoints"]);
    let remedy = "`bluegreen release fraud-model --version v1.3 --endpoint HOST:PORT`";
    assert!(ran.stderr.contains(remedy), "{ran:?}");
}

#[tokio::test]
async fn an_endpoint_that_nobody_can_reach_is_noticed() {
    let world = World::start().await;
    for (endpoint, listens_on) in [("0.0.0.0:9001", "0.0.0.0"), ("[::]:9001", "::")] {
        let document = SERVICE.replace("127.0.0.1:9001", endpoint);
        let ran = apply(&world, &document).await.ok();
        let notice = format!("{endpoint} of blue (v1.2): {listens_on} is where a server listens");
        assert!(ran.stderr.contains(&notice), "{ran:?}");
    }
}
