//! Resources that an Envoy asks for on streams of their own, beside ADS: one for each cluster or secret.

use std::net::SocketAddr;

use crate::{
    fixtures::{Backends, Flip, extra_cluster, service},
    support::{
        document, http, waiting,
        world::{World, delta},
    },
};

/// Two clusters, each with a stream of its own for its endpoints.
fn clusters(one: &str, other: &str) -> String {
    let api_type = if delta() { "DELTA_GRPC" } else { "GRPC" };
    let clusters = [("one", one), ("other", other)].map(|(name, endpoint)| {
        let (address, port) = endpoint.rsplit_once(':').expect("an address and a port");
        format!(
            r#"    - "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
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
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: {address}, port_value: {port} }} }} }} }} ] }} ]
"#
        )
    });
    let [one, other] = &clusters;
    document::resources("apart", &[one, other])
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
        clusters(&blue, &blue),
        clusters(&blue, &green),
        clusters(&green, &green),
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
            &clusters("0.0.0.0:70000", &green),
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

/// A listener with TLS, whose certificate is asked for on a stream of its own.
fn secret(world: &World, pem: &str) -> String {
    let at = world.listener.addr();
    let (address, port) = (at.ip(), at.port());
    let api_type = if delta() { "DELTA_GRPC" } else { "GRPC" };
    let resources = format!(
        r#"    - "@type": type.googleapis.com/envoy.config.listener.v3.Listener
      name: tls
      address: {{ socket_address: {{ address: {address}, port_value: {port} }} }}
      filter_chains:
        - transport_socket:
            name: tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                tls_certificate_sds_secret_configs:
                  - name: key
                    sds_config:
                      resource_api_version: V3
                      api_config_source:
                        api_type: {api_type}
                        transport_api_version: V3
                        grpc_services: [ {{ envoy_grpc: {{ cluster_name: bluegreen }} }} ]
          filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: tls
                route_config: {{ name: tls, virtual_hosts: [ {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: / }}, direct_response: {{ status: 200 }} }} ] }} ] }}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
    - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
      name: key
      tls_certificate: {{ certificate_chain: {{ inline_string: {pem} }}, private_key: {{ inline_string: {pem} }} }}
"#
    );
    document::resources("secret", &[&resources])
}

#[tokio::test(flavor = "multi_thread")]
async fn line_36_a_secret_that_is_rejected_on_a_stream_of_its_own_is_taken_back() {
    let mut world = World::start().await;
    world.apply(&extra_cluster("1s"), &[]).await.ok();
    world.fleet(1).await;
    waiting::fleet(&world, "in sync", |fleet| fleet["delivery"]["acked"] == 1).await;
    let applied = world
        .apply(&secret(&world, "garbage"), &["--wait", "30s"])
        .await;
    assert_eq!(applied.code, 7, "{applied:?}");
    let message = applied.json()["message"].clone();
    assert!(
        message.as_str().is_some_and(|it| it.contains("taken back")),
        "{message}"
    );
}
