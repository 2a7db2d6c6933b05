//! Virtual hosts on their own (VHDS), which an Envoy asks for by a delta stream.

use crate::support::{http, waiting, world::World};

/// A listener whose route configuration takes its virtual hosts from VHDS, and asks for more while a request waits.
fn document(world: &World, hosts: &[&str]) -> String {
    let at = world.listener.addr();
    let (address, port) = (at.ip(), at.port());
    let hosts = hosts.iter().map(|host| {
        format!(
            r#"
    - "@type": type.googleapis.com/envoy.config.route.v3.VirtualHost
      name: edge/{host}
      domains: [{host}.test]
      routes: [ {{ match: {{ prefix: / }}, direct_response: {{ status: 200, body: {{ inline_string: {host} }} }} }} ]"#
        )
    });
    let hosts: String = hosts.collect();
    format!(
        r#"---
apiVersion: bluegreen/v1
kind: EnvoyResources
metadata: {{ name: edge }}
spec:
  fleet: payments
  resources:
    - "@type": type.googleapis.com/envoy.config.listener.v3.Listener
      name: edge
      address: {{ socket_address: {{ address: {address}, port_value: {port} }} }}
      enable_reuse_port: true
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: edge
                rds:
                  route_config_name: edge
                  config_source: {{ ads: {{}}, resource_api_version: V3, initial_fetch_timeout: 0s }}
                http_filters:
                  - name: envoy.filters.http.on_demand
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand }}
                  - name: envoy.filters.http.router
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
    - "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
      name: edge
      vhds:
        config_source:
          resource_api_version: V3
          initial_fetch_timeout: 0s
          api_config_source:
            api_type: DELTA_GRPC
            transport_api_version: V3
            grpc_services: [ {{ envoy_grpc: {{ cluster_name: bluegreen }} }} ]{hosts}
"#
    )
}

/// What a request for that host gets.
async fn ask(world: &World, host: &str) -> (u16, String) {
    let host = format!("{host}.test");
    let answer = http::get_with(world.listener.addr(), "/", &[("host", &host)]).await;
    let (status, body) = answer.expect("an answer");
    (status.as_u16(), String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn line_02_virtual_hosts_are_served_and_unknown_hosts_are_told_so() {
    let mut world = World::start().await;
    world
        .apply(&document(&world, &["one", "two"]), &[])
        .await
        .ok();
    world.fleet(1).await;
    assert_eq!(ask(&world, "one").await, (200, "one".to_owned()));
    assert_eq!(ask(&world, "two").await, (200, "two".to_owned()));
    // The request waits until the proxy hears of the host.
    assert_eq!(ask(&world, "three").await.0, 404);
    world
        .apply(&document(&world, &["one", "three"]), &[])
        .await
        .ok();
    let three = async || ask(&world, "three").await;
    waiting::until("a host that was added", three, |answer| answer.0 == 200).await;
    let two = async || ask(&world, "two").await;
    waiting::until("a host that was taken away", two, |answer| answer.0 == 404).await;
    assert_eq!(ask(&world, "one").await, (200, "one".to_owned()));
}
