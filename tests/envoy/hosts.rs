//! Virtual hosts on their own (VHDS), which an Envoy asks for by a delta stream.

use crate::{
    fixtures::RDS,
    support::{document, http, waiting, world::World},
};

/// A route configuration that takes its virtual hosts from elsewhere.
const ROUTES: &str = r#"    - "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
      name: edge
      vhds:
        config_source:
          resource_api_version: V3
          initial_fetch_timeout: 0s
          api_config_source:
            api_type: DELTA_GRPC
            transport_api_version: V3
            grpc_services: [ { envoy_grpc: { cluster_name: bluegreen } } ]
"#;

/// A listener whose route configuration takes its virtual hosts from VHDS, and asks for more while a request waits.
fn hosts(world: &World, hosts: &[&str]) -> String {
    let hosts = hosts.iter().map(|host| {
        format!(
            r#"    - "@type": type.googleapis.com/envoy.config.route.v3.VirtualHost
      name: edge/{host}
      domains: [{host}.test]
      routes: [ {{ match: {{ prefix: / }}, direct_response: {{ status: 200, body: {{ inline_string: {host} }} }} }} ]
"#
        )
    });
    let hosts: String = hosts.collect();
    let on_demand = document::http_filter("on_demand", "on_demand.v3.OnDemand");
    let listener = document::http_listener("edge", world.listener.addr(), RDS, &[&on_demand]);
    document::resources("edge", &[&listener, ROUTES, &hosts])
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
    world.apply(&hosts(&world, &["one", "two"]), &[]).await.ok();
    world.fleet(1).await;
    assert_eq!(ask(&world, "one").await, (200, "one".to_owned()));
    assert_eq!(ask(&world, "two").await, (200, "two".to_owned()));
    // The request waits until the proxy hears of the host.
    assert_eq!(ask(&world, "three").await.0, 404);
    world
        .apply(&hosts(&world, &["one", "three"]), &[])
        .await
        .ok();
    let three = async || ask(&world, "three").await;
    waiting::until("a host that was added", three, |answer| answer.0 == 200).await;
    let two = async || ask(&world, "two").await;
    waiting::until("a host that was taken away", two, |answer| answer.0 == 404).await;
    assert_eq!(ask(&world, "one").await, (200, "one".to_owned()));
}
