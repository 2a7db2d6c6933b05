//! The admin API's calls, as short as the tests want them.

use bluegreen::api;

use crate::support::server::{Client, Events};

/// Longer than any test takes: a wait that ends by itself is a failure.
pub const WAIT_MS: u64 = 20_000;

pub fn meta() -> Option<api::CommandMeta> {
    Some(api::CommandMeta {
        operation_id: uuid::Uuid::now_v7().to_string(),
        actor: "alice@test".to_owned(),
        message: "because".to_owned(),
        wait_ms: WAIT_MS,
        ..Default::default()
    })
}

pub fn with(change: impl FnOnce(&mut api::CommandMeta)) -> Option<api::CommandMeta> {
    let mut meta = meta();
    meta.as_mut().map(change);
    meta
}

/// A service in fleet `payments` with v1.2 in blue.
pub fn document(name: &str, port: u16) -> String {
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

pub async fn apply_with(client: &mut Client, text: &str, meta: Option<api::CommandMeta>) -> Events {
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

pub async fn apply(client: &mut Client, text: &str) -> Events {
    apply_with(client, text, meta()).await
}

pub async fn deploy(client: &mut Client, service: &str, version: &str, endpoint: &str) -> Events {
    deploy_with(client, service, version, endpoint, meta()).await
}

pub async fn deploy_with(
    client: &mut Client,
    service: &str,
    version: &str,
    endpoint: &str,
    meta: Option<api::CommandMeta>,
) -> Events {
    Events::of(
        client
            .deploy(api::DeployRequest {
                meta,
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
pub async fn switch_with(
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

pub async fn switch(client: &mut Client, service: &str) -> Events {
    switch_with(client, service, meta(), no_probe()).await
}

pub fn no_probe() -> api::Waivers {
    api::Waivers {
        skip_probe: true,
        ..Default::default()
    }
}

pub async fn rollback_with(
    client: &mut Client,
    service: &str,
    meta: Option<api::CommandMeta>,
) -> Events {
    Events::of(
        client
            .rollback(api::RollbackRequest {
                meta,
                service: service.to_owned(),
                ..Default::default()
            })
            .await,
    )
    .await
}

pub async fn rollback(client: &mut Client, service: &str) -> Events {
    rollback_with(client, service, meta()).await
}

pub async fn status(client: &mut Client, service: &str) -> api::ServiceStatus {
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

pub async fn history(client: &mut Client) -> Vec<api::HistoryEntry> {
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

pub async fn scale(client: &mut Client, service: &str, colour: api::Colour, to: &[&str]) -> Events {
    let endpoints = to.iter().map(ToString::to_string).collect();
    Events::of(
        client
            .scale(api::ScaleRequest {
                meta: meta(),
                service: service.to_owned(),
                colour: colour.into(),
                endpoints,
                ..Default::default()
            })
            .await,
    )
    .await
}

pub async fn retire(client: &mut Client, service: &str, force: bool) -> Events {
    Events::of(
        client
            .retire(api::RetireRequest {
                meta: meta(),
                service: service.to_owned(),
                force,
            })
            .await,
    )
    .await
}

pub async fn rollback_fleet(client: &mut Client, to: u64, yes: bool) -> Events {
    Events::of(
        client
            .rollback_fleet(api::RollbackFleetRequest {
                meta: meta(),
                fleet: "payments".to_owned(),
                to_revision: to,
                exact: false,
                yes,
            })
            .await,
    )
    .await
}

/// A service with v1.2 live in blue and v1.3 staged in green, accepted by everybody.
pub async fn staged(client: &mut Client, service: &str) {
    apply(client, &document(service, 10000)).await.outcome();
    deploy(client, service, "v1.3", "127.0.0.1:9002")
        .await
        .outcome();
}
