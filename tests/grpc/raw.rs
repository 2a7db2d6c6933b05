//! The user's own resources for gRPC clients, with the split of a service in their routes.

use crate::{
    clients::{Backends, Client, answered},
    support::{document, world::World},
    switching::{flip, has, in_step},
};

#[tokio::test(flavor = "multi_thread")]
async fn raw_resources_serve_grpc_clients_too() {
    let backends = Backends::start().await;
    let world = World::start().await;
    // The service itself is for nobody: only the raw routes name it.
    let grpc = "  cluster: { protocol: grpc }\n";
    let service = document::service("fraud-model", &[grpc, &backends.environments()]);
    let documents = format!(
        "{service}---
apiVersion: bluegreen/v1
kind: EnvoyResources
metadata: {{ name: mine }}
spec:
  fleet: payments
  resources:
    - \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener
      name: models.example
      api_listener:
        api_listener:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: mine
          rds: {{ route_config_name: models, config_source: {{ ads: {{}}, resource_api_version: V3 }} }}
          http_filters:
            - name: router
              typed_config: {{ \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
    - \"@type\": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
      name: models
      virtual_hosts:
        - name: models
          domains: [models.example]
          routes:
            - match: {{ prefix: /fraud.Model/ }}
              route: {{ cluster: \"service:fraud-model\" }}
"
    );
    world.apply(&documents, &[]).await.ok();
    let mut client = Client::start(&world, "scoring-1", "models.example").await;
    in_step(&world, 1).await;
    has(&world, "scoring-1", "fraud-model/green").await;
    client.throughout("blue").await;
    client.during("moving").await;
    flip(
        &world,
        1,
        &["switch", "fraud-model", "--to", "green", "--force"],
    )
    .await;
    client.throughout("green").await;
    client.during("moving back").await;
    flip(&world, 1, &["rollback", "fraud-model"]).await;
    client.throughout("blue again").await;
    let expected = [("blue", "blue"), ("green", "green"), ("blue again", "blue")];
    answered(&client.stop().await, &expected);
}
