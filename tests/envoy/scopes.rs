//! Scoped routes (SRDS): each scope is a resource that names a route configuration, and a header of a request names the scope.

use crate::{
    fixtures::{Backends, Flip, environments},
    support::{document, http, waiting, world::World},
};

/// A listener whose scopes are named by `x-tenant`, and scopes with route configurations: those that are open lead to the
/// service, the others are closed.
fn scopes(world: &World, open: &[&str], closed: &[&str]) -> String {
    let at = world.listener.addr();
    let (address, port) = (at.ip(), at.port());
    let open = open
        .iter()
        .map(|scope| (scope, "route: { cluster: 'service:fraud-model' }"));
    let closed = closed
        .iter()
        .map(|scope| (scope, "direct_response: { status: 403 }"));
    let scopes = open.chain(closed).map(|(scope, does)| {
        format!(
            r#"
    - "@type": type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration
      name: tenant-{scope}
      route_configuration_name: routes-{scope}
      key: {{ fragments: [ {{ string_key: {scope} }} ] }}
    - "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
      name: routes-{scope}
      virtual_hosts: [ {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: / }}, {does} }} ] }} ]"#
        )
    });
    let scopes: String = scopes.collect();
    format!(
        r#"---
apiVersion: bluegreen/v1
kind: EnvoyResources
metadata: {{ name: tenants }}
spec:
  fleet: payments
  resources:
    - "@type": type.googleapis.com/envoy.config.listener.v3.Listener
      name: tenants
      address: {{ socket_address: {{ address: {address}, port_value: {port} }} }}
      enable_reuse_port: true
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: tenants
                scoped_routes:
                  name: tenants
                  scope_key_builder: {{ fragments: [ {{ header_value_extractor: {{ name: x-tenant, index: 0 }} }} ] }}
                  rds_config_source: {{ ads: {{}}, resource_api_version: V3 }}
                  scoped_rds: {{ scoped_rds_config_source: {{ ads: {{}}, resource_api_version: V3 }} }}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}{scopes}
"#
    )
}

/// What a request of that tenant gets.
async fn ask(world: &World, tenant: &str) -> (u16, String) {
    let headers = [("x-tenant", tenant)];
    let answer = http::get_with(world.listener.addr(), "/", &headers).await;
    let (status, body) = answer.expect("an answer");
    (status.as_u16(), String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn line_02_scoped_routes_are_served_and_a_switch_moves_every_scope() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let service = document::service("fraud-model", &[&environments(&backends)]);
    let with = |open: &[&str], closed: &[&str]| service.clone() + &scopes(&world, open, closed);
    let (first, later) = (with(&["one"], &["two"]), with(&["one", "three"], &[]));
    world.apply(&first, &[]).await.ok();
    world.fleet(2).await;
    assert_eq!(ask(&world, "one").await, (200, "blue".to_owned()));
    assert_eq!(ask(&world, "two").await.0, 403);
    assert_eq!(ask(&world, "three").await.0, 404);
    world.apply(&later, &["--wait", "30s"]).await.ok();
    let two = async || ask(&world, "two").await;
    waiting::until("a scope that was taken away", two, |answer| answer.0 == 404).await;
    for (colour, command) in [("green", "switch"), ("blue", "rollback")] {
        Flip::run(&world, colour, &[command, "fraud-model", "--wait", "30s"]).await;
        for tenant in ["one", "three"] {
            assert_eq!(ask(&world, tenant).await, (200, colour.to_owned()));
        }
    }
    // Two scopes of one key are nothing that a proxy takes.
    let twice = later.replace("string_key: three", "string_key: one");
    let refused = world.apply(&twice, &["--wait", "30s"]).await;
    assert_eq!(refused.code, 7, "{refused:?}");
    assert_eq!(ask(&world, "three").await, (200, "blue".to_owned()));
}
