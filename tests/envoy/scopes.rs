//! Scoped routes (SRDS): each scope is a resource that names a route configuration, and a header of a request names the scope.

use crate::{
    fixtures::{Backends, Flip, environments},
    support::{document, http, waiting, world::World},
};

/// A listener whose scopes are named by `x-tenant`, and scopes with route configurations: those that are open lead to the
/// service, the others are closed.
fn scopes(world: &World, open: &[&str], closed: &[&str]) -> String {
    let open = open
        .iter()
        .map(|scope| (scope, "route: { cluster: 'service:fraud-model' }"));
    let closed = closed
        .iter()
        .map(|scope| (scope, "direct_response: { status: 403 }"));
    let scopes = open.chain(closed).map(|(scope, does)| {
        format!(
            r#"    - "@type": type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration
      name: tenant-{scope}
      route_configuration_name: routes-{scope}
      key: {{ fragments: [ {{ string_key: {scope} }} ] }}
    - "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
      name: routes-{scope}
      virtual_hosts: [ {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: / }}, {does} }} ] }} ]
"#
        )
    });
    let scopes: String = scopes.collect();
    let key = "{ fragments: [ { header_value_extractor: { name: x-tenant, index: 0 } } ] }";
    let ads = "{ ads: {}, resource_api_version: V3 }";
    let routes = format!(
        "scoped_routes: {{ name: tenants, scope_key_builder: {key}, rds_config_source: {ads}, scoped_rds: {{ scoped_rds_config_source: {ads} }} }}"
    );
    let listener = document::http_listener("tenants", world.listener.addr(), &routes, &[]);
    document::resources("tenants", &[&listener, &scopes])
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
