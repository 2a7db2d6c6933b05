//! Resources that an Envoy asks for on streams of their own, beside ADS: one for each cluster or secret.

use std::net::SocketAddr;

use crate::{
    fixtures::{Backends, Flip, service},
    support::{
        http, waiting,
        world::{World, delta},
    },
};

/// Two clusters, each with a stream of its own for its endpoints.
fn document(one: &str, other: &str) -> String {
    let api_type = if delta() { "DELTA_GRPC" } else { "GRPC" };
    let clusters = [("one", one), ("other", other)].map(|(name, endpoint)| {
        let (address, port) = endpoint.rsplit_once(':').expect("an address and a port");
        format!(
            r#"
    - "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
      name: {name}
      type: EDS
      connect_timeout: 1s
      eds_cluster_config:
        eds_config:
          resource_api_version: V3
          initial_fetch_timeout: 0s
          api_config_source:
            api_type: {api_type}
            transport_api_version: V3
            grpc_services: [ {{ envoy_grpc: {{ cluster_name: bluegreen }} }} ]
    - "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
      cluster_name: {name}
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: {address}, port_value: {port} }} }} }} }} ] }} ]"#
        )
    });
    format!(
        "---
apiVersion: bluegreen/v1
kind: EnvoyResources
metadata: {{ name: apart }}
spec:
  fleet: payments
  resources:{}
",
        clusters.concat()
    )
}

/// How many proxies are counted, and how many of them have accepted.
fn counted(proxies: &serde_json::Value) -> (u64, u64) {
    let count = |field: &str| proxies[field].as_u64().expect("a number");
    (count("total"), count("acked"))
}

#[tokio::test(flavor = "multi_thread")]
async fn line_02_an_envoy_with_streams_of_one_type_beside_ads_is_one_proxy() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let listener: SocketAddr = world.listener.addr();
    let fraud = service("fraud-model", "/", listener, &backends, "");
    world.apply(&fraud, &[]).await.ok();
    world.fleet(1).await;
    let at = |backend: &crate::support::backend::Backend| backend.addr().to_string();
    let [blue, green] = [at(&backends.blue[0]), at(&backends.green[0])];
    for document in [
        document(&blue, &blue),
        document(&blue, &green),
        document(&green, &green),
    ] {
        let applied = world.apply(&document, &["--wait", "30s"]).await.ok().json();
        assert_eq!(
            counted(&applied["fleets"][0]["proxies"]),
            (1, 1),
            "{applied}"
        );
    }
    for (colour, command) in [("green", "switch"), ("blue", "rollback")] {
        Flip::run(&world, colour, &[command, "fraud-model", "--wait", "30s"]).await;
        let answer = http::get_with(listener, "/", &[]).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer.1), colour);
    }
    // One of the streams rejects what the others have nothing to say about.
    let rejected = world
        .apply(
            &document("0.0.0.0:70000", &green),
            &["--no-verify", "--wait", "30s"],
        )
        .await;
    assert_eq!(rejected.code, 7, "{rejected:?}");
    let one = |fleet: &serde_json::Value| {
        let proxies = fleet["proxies"].as_array().expect("a list");
        let types = proxies
            .iter()
            .flat_map(|proxy| proxy["types"].as_array().expect("a list"));
        let mut states = types.map(|its| &its["state"]);
        proxies.len() == 1
            && proxies[0]["duplicate"] == false
            && states.all(|state| state == "synced")
    };
    waiting::fleet(&world, "one proxy that has everything", one).await;
}
