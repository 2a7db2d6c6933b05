//! What a switch refuses, how each refusal is waived, and what a rollback never asks for.

use std::time::Duration;

use bluegreen::api;
use tokio::net::TcpListener;

use super::calls::*;
use crate::support::server::{Events, LedgerProxy, Says, Server, Settings};

#[tokio::test]
async fn a_lagging_fleet_is_not_switched_and_can_be_waived() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _good = LedgerProxy::connect(&server, "payments", "good");
    let slow = LedgerProxy::connect(&server, "payments", "slow");
    apply(&mut client, &document("fraud-model", 10000))
        .await
        .outcome();
    slow.say(Says::Nothing);
    let request = api::DeployRequest {
        meta: with(|meta| meta.wait_ms = 0),
        service: "fraud-model".to_owned(),
        version: "v1.3".to_owned(),
        endpoints: vec!["127.0.0.1:9002".to_owned()],
        ..Default::default()
    };
    Events::of(client.deploy(request).await).await.outcome();

    let refused = switch(&mut client, "fraud-model").await;
    let refusal = refused.refused();
    assert_eq!(refusal.reason, "fleet-lagging");
    assert_eq!(refusal.exit_code, 21);
    assert_eq!(refusal.code, tonic::Code::FailedPrecondition);
    assert!(refusal.message.contains("slow"), "{}", refusal.message);
    assert!(
        refusal
            .remedy
            .contains("`bluegreen switch` with --allow-lagging 1")
    );

    let waive = api::Waivers {
        allow_lagging: 1,
        skip_probe: true,
        ..Default::default()
    };
    let now = with(|meta| meta.wait_ms = 0);
    let switched = switch_with(&mut client, "fraud-model", now, waive).await;
    assert_eq!(switched.revision(), 3);
    let waived = &history(&mut client).await[0].waived;
    assert_eq!(waived, &["fleet-lagging", "endpoint-unreachable"]);
    // The way back asks nobody.
    let now = with(|meta| meta.wait_ms = 0);
    assert_eq!(
        rollback_with(&mut client, "fraud-model", now)
            .await
            .revision(),
        4
    );
}

#[tokio::test]
async fn endpoints_that_do_not_answer_are_not_switched_to() {
    let server = Server::start().await;
    let mut client = server.client().await;
    apply(&mut client, &document("fraud-model", 10000))
        .await
        .outcome();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    deploy(&mut client, "fraud-model", "v1.3", &address)
        .await
        .outcome();
    let asked = || api::Waivers::default();
    let refused = switch_with(&mut client, "fraud-model", meta(), asked()).await;
    assert_eq!(refused.refused().reason, "endpoint-unreachable");
    assert_eq!(refused.refused().message.matches(&address).count(), 1);

    let listener = TcpListener::bind(&address).await.unwrap();
    let switched = switch_with(&mut client, "fraud-model", meta(), asked()).await;
    assert_eq!(switched.revision(), 3);
    assert!(history(&mut client).await[0].waived.is_empty());
    drop(listener);
}

#[tokio::test]
async fn after_a_start_a_switch_waits_for_the_roster() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "fraud-model").await;
    drop(client);
    let store = server.stop().await;
    drop(proxy);

    let settings = Settings {
        settle: Duration::from_secs(60),
        ..Settings::default()
    };
    let server = Server::on(store, settings).await;
    let fleets = server
        .client()
        .await
        .get_fleets(api::GetFleetsRequest::default())
        .await;
    let fleet = &fleets.unwrap().into_inner().fleets[0];
    assert_eq!(fleet.proxies[0].proxy, "p1");
    assert!(!fleet.proxies[0].connected);

    let mut stream = server
        .client()
        .await
        .switch(api::SwitchRequest {
            meta: meta(),
            service: "fraud-model".to_owned(),
            waive: Some(no_probe()),
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner();
    let Some(api::command_event::Event::Notice(notice)) =
        stream.message().await.unwrap().unwrap().event
    else {
        panic!("the first event is no notice");
    };
    assert_eq!(notice.kind, "waiting-for-roster");
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    let rest = Events::of(Ok(tonic::Response::new(stream))).await;
    assert_eq!(rest.outcome().deliveries[0].acked, 1);
}

#[tokio::test]
async fn each_refusal_has_its_reason() {
    let server = Server::start().await;
    let mut client = server.client().await;
    apply(&mut client, &document("fraud-model", 10000))
        .await
        .outcome();
    let nothing = switch(&mut client, "fraud-model").await;
    assert_eq!(nothing.refused().reason, "nothing-staged");
    let nothing = rollback(&mut client, "fraud-model").await;
    assert_eq!(nothing.refused().reason, "nothing-to-roll-back");
    let nothing = retire(&mut client, "fraud-model", false).await;
    assert_eq!(nothing.refused().reason, "nothing-to-retire");
    deploy(&mut client, "fraud-model", "v1.3", "127.0.0.1:9002")
        .await
        .outcome();
    switch(&mut client, "fraud-model").await.outcome();
    let standby = deploy(&mut client, "fraud-model", "v1.4", "127.0.0.1:9003").await;
    assert_eq!(standby.refused().reason, "would-replace-standby");
    let standby = switch(&mut client, "fraud-model").await;
    assert_eq!(standby.refused().reason, "standby-is-target");
    let live = document("fraud-model", 10000).replace(
        "blue: {",
        "green: { version: v1.9, endpoints: [\"127.0.0.1:1\"] }\n    blue: {",
    );
    let live = apply(&mut client, &live).await;
    assert_eq!(live.refused().reason, "would-replace-live");
}

#[tokio::test]
async fn line_24_the_live_environment_is_emptied_by_force_alone() {
    let server = Server::start().await;
    let mut client = server.client().await;
    apply(&mut client, &document("fraud-model", 10000))
        .await
        .outcome();
    let none = scale(&mut client, "fraud-model", api::Colour::Blue, &[]).await;
    assert_eq!(none.refused().reason, "live-would-be-empty");
    let forced = api::ScaleRequest {
        meta: meta(),
        service: "fraud-model".to_owned(),
        colour: api::Colour::Blue.into(),
        force: true,
        ..Default::default()
    };
    Events::of(client.scale(forced).await).await.outcome();
}
