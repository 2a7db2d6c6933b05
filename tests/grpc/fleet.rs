//! gRPC clients and Envoys in one fleet: one switch for both, and neither is told what is for the other.

use std::net::SocketAddr;

use crate::{
    clients::{Backends, Client, answered},
    support::{document, waiting, world::World},
    switching::{flip, in_step},
};

/// A service for Envoys and gRPC clients.
fn service(
    name: &str,
    target: &str,
    host: &str,
    listener: SocketAddr,
    backends: &Backends,
) -> String {
    let grpc = format!(
        "  hosts: [{host:?}]
  client: grpc
  grpcTarget: {target}
  cluster: {{ protocol: grpc }}
"
    );
    document::service(
        name,
        &[
            &document::listener(listener),
            &grpc,
            &backends.environments(),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn line_32_envoys_and_grpc_clients_share_a_fleet() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let listener = world.listener.addr();
    let target = "models.example:443";
    let document = service("fraud-model", target, "*", listener, &backends);
    world.apply(&document, &[]).await.ok();
    world.fleet(1).await;
    let mut direct = Client::start(&world, "scoring-1", target).await;
    let mut proxied = Client::of(listener).await;
    in_step(&world, 2).await;

    for (colour, command) in [
        (
            "green",
            &["switch", "fraud-model", "--to", "green", "--force"][..],
        ),
        ("blue", &["rollback", "fraud-model"]),
    ] {
        for client in [&mut direct, &mut proxied] {
            client.during("moving").await;
        }
        flip(&world, 2, command).await;
        for client in [&mut direct, &mut proxied] {
            client.throughout(colour).await;
        }
        // Another service of this kind is no news for either.
        let other = service(
            &format!("other-{colour}"),
            colour,
            colour,
            listener,
            &backends,
        );
        world.apply(&other, &["--wait", "30s"]).await.ok();
    }
    for client in [direct, proxied] {
        answered(
            &client.stop().await,
            &[("green", "green"), ("blue", "blue")],
        );
    }
    for counter in [
        "^listener_manager.lds.update_rejected$",
        "^listener_manager.listener_create_failure$",
    ] {
        assert_eq!(
            waiting::sum(&world.envoys[0], counter).await,
            0,
            "{counter}"
        );
    }
    let log = std::fs::read_to_string(world.dir.path().join("proxy-1.log")).expect("a log");
    assert!(!log.contains("ApiListener"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_nobody_declared_fails_its_calls_and_is_there_once_it_is_declared() {
    let backends = Backends::start().await;
    let world = World::start().await;
    let listener = world.listener.addr();
    let elsewhere = service("fraud-model", "somewhere-else", "*", listener, &backends);
    world.apply(&elsewhere, &[]).await.ok();
    let mut client = Client::start(&world, "scoring-1", "fraud-model").await;
    client.until(|seen| seen.failed > 0).await;
    let document = service("fraud-model", "fraud-model", "*", listener, &backends);
    world.apply(&document, &["--wait", "30s"]).await.ok();
    client.until(|seen| seen.answered > 0).await;
    client.throughout("declared").await;
    let mut calls = client.stop().await;
    calls.retain(|call| call.during == "declared");
    answered(&calls, &[("declared", "blue")]);
}
