//! The controller through its admin API, with proxies that exist in the ledger only: flows, repeats, races, rejections.

mod support;

use std::time::Duration;

use bluegreen::api;
use support::server::{Client, Events, LedgerProxy, Says, Server};

const WAIT_MS: u64 = 20_000;

fn meta() -> Option<api::CommandMeta> {
    Some(api::CommandMeta {
        operation_id: uuid::Uuid::now_v7().to_string(),
        actor: "alice@test".to_owned(),
        message: "because".to_owned(),
        wait_ms: WAIT_MS,
        ..Default::default()
    })
}

fn with(change: impl FnOnce(&mut api::CommandMeta)) -> Option<api::CommandMeta> {
    let mut meta = meta();
    meta.as_mut().map(change);
    meta
}

/// A service in fleet `payments` with v1.2 in blue.
fn document(name: &str, port: u16) -> String {
    format!(
        "apiVersion: bluegreen/v1
kind: Service
metadata: {{ name: {name} }}
spec:
  fleet: payments
  listener: {{ address: 0.0.0.0, port: {port} }}
  environments:
    blue: {{ version: v1.2, endpoints: [\"127.0.0.1:9001\"] }}
"
    )
}

async fn apply_with(client: &mut Client, text: &str, meta: Option<api::CommandMeta>) -> Events {
    Events::of(
        client
            .apply(api::ApplyRequest {
                meta,
                files: vec![api::File {
                    name: "test.yaml".to_owned(),
                    content: text.to_owned(),
                }],
                ..Default::default()
            })
            .await,
    )
    .await
}

async fn apply(client: &mut Client, text: &str) -> Events {
    apply_with(client, text, meta()).await
}

async fn deploy(client: &mut Client, service: &str, version: &str, endpoint: &str) -> Events {
    Events::of(
        client
            .deploy(api::DeployRequest {
                meta: meta(),
                service: service.to_owned(),
                version: version.to_owned(),
                endpoints: vec![endpoint.to_owned()],
                ..Default::default()
            })
            .await,
    )
    .await
}

/// A switch that asks no endpoint whether it answers: there are none.
async fn switch_with(
    client: &mut Client,
    service: &str,
    meta: Option<api::CommandMeta>,
    waive: api::Waivers,
) -> Events {
    Events::of(
        client
            .switch(api::SwitchRequest {
                meta,
                service: service.to_owned(),
                waive: Some(waive),
                ..Default::default()
            })
            .await,
    )
    .await
}

async fn switch(client: &mut Client, service: &str) -> Events {
    switch_with(client, service, meta(), no_probe()).await
}

fn no_probe() -> api::Waivers {
    api::Waivers {
        skip_probe: true,
        ..Default::default()
    }
}

async fn rollback_with(
    client: &mut Client,
    service: &str,
    meta: Option<api::CommandMeta>,
) -> Events {
    Events::of(
        client
            .rollback(api::RollbackRequest {
                meta,
                service: service.to_owned(),
            })
            .await,
    )
    .await
}

async fn rollback(client: &mut Client, service: &str) -> Events {
    rollback_with(client, service, meta()).await
}

async fn status(client: &mut Client, service: &str) -> api::ServiceStatus {
    client
        .get_status(api::GetStatusRequest {
            service: service.to_owned(),
        })
        .await
        .unwrap()
        .into_inner()
        .services
        .remove(0)
}

async fn history(client: &mut Client) -> Vec<api::HistoryEntry> {
    client
        .get_history(api::GetHistoryRequest {
            fleet: "payments".to_owned(),
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner()
        .entries
}

#[tokio::test]
async fn a_release_goes_forward_and_back_with_proof() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxies = ["p1", "p2", "p3"].map(|id| LedgerProxy::connect(&server, "payments", id));

    let applied = apply(&mut client, &document("fraud-model", 10000)).await;
    assert_eq!(applied.outcome().result(), api::outcome::Result::Done);
    assert_eq!(applied.revision(), 1);
    assert!(!applied.plans()[0].changes.is_empty());

    let deployed = deploy(&mut client, "fraud-model", "v1.3", "127.0.0.1:9002").await;
    assert_eq!(deployed.revision(), 2);

    let switched = switch(&mut client, "fraud-model").await;
    let outcome = switched.outcome();
    assert_eq!(outcome.result(), api::outcome::Result::Done, "{outcome:?}");
    assert_eq!(outcome.exit_code, 0);
    assert_eq!((outcome.from(), outcome.to()), (api::Colour::Blue, api::Colour::Green));
    assert_eq!(outcome.from_version, "v1.2");
    assert_eq!(outcome.to_version, "v1.3");
    let delivery = &outcome.deliveries[0];
    assert_eq!((delivery.total, delivery.acked), (3, 3));
    assert!(delivery.first_ack_ms.unwrap() <= delivery.last_ack_ms.unwrap());
    // One push: route configurations and nothing else.
    assert!(switched.plans()[0].changes.iter().all(|change| change.r#type == "RouteConfiguration"));

    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.live(), api::Colour::Green);
    assert_eq!(now.blue.unwrap().role(), api::Role::Standby);
    assert_eq!(now.delivery.unwrap().acked, 3);

    let back = rollback(&mut client, "fraud-model").await;
    assert_eq!(back.revision(), 4);
    assert_eq!(back.outcome().deliveries[0].acked, 3);
    let again = rollback(&mut client, "fraud-model").await;
    assert_eq!(again.outcome().result(), api::outcome::Result::Unchanged);
    assert_eq!(again.revision(), 4);
    assert_eq!(again.outcome().deliveries[0].acked, 3);

    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.live(), api::Colour::Blue);
    let green = now.green.unwrap();
    assert_eq!(green.role(), api::Role::Staged);
    assert!(green.rolled_back);
}
