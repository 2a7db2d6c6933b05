//! Fleets that only proxies have named: they wait, they are few enough, and they are gone when nobody waits.

use std::{sync::Arc, time::Duration};

use bluegreen::{
    api,
    controller::{Controllers, Handle, MAX_WAITING, Options},
    fleet::{ProxyInfo, StreamId},
    model::Name,
    store::MemoryStore,
};
use jiff::Timestamp;

use super::{calls::*, silence::report};
use crate::support::{
    plane::PATIENCE,
    server::{LedgerProxy, Server, TestNames},
};

/// Controllers that forget at once, and look often.
async fn controllers() -> Arc<Controllers> {
    let options = Options {
        roster_away: Duration::ZERO,
        roster_save: Duration::from_millis(5),
        ..Options::new(Box::new(TestNames::default()))
    };
    Controllers::start(Arc::new(MemoryStore::new()), options)
        .await
        .unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn connect(handle: &Handle, stream: u64) {
    let proxy = ProxyInfo {
        id: "edge-1".into(),
        address: "127.0.0.1:1".into(),
        software: "envoy 1.40.0".into(),
    };
    handle
        .ledger()
        .connect(StreamId(stream), proxy, Timestamp::now());
}

/// Waits until so many fleets are known.
async fn until(controllers: &Controllers, count: usize) {
    let mut changes = controllers.changes();
    let wait = async {
        while controllers.fleets().len() != count {
            changes.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("{} fleets", controllers.fleets().len()));
}

#[tokio::test]
async fn a_fleet_that_nobody_waits_for_any_more_is_given_up() {
    let controllers = controllers().await;
    let held = controllers.join(&name("held")).unwrap();
    let occupied = controllers.join(&name("occupied")).unwrap();
    connect(&occupied, 1);
    let ledger = occupied.ledger().clone();
    drop(occupied);
    drop(controllers.join(&name("left")).unwrap());
    until(&controllers, 2).await;
    assert!(controllers.get("left").is_none());
    // Somebody is about to use the one, and a proxy is in the other.
    assert!(controllers.get("held").is_some() && controllers.get("occupied").is_some());
    let lease = held.lease();
    drop(held);
    ledger.disconnect(StreamId(1), Timestamp::now());
    until(&controllers, 1).await;
    assert!(controllers.get("held").is_some());
    drop(lease);
    until(&controllers, 0).await;
    controllers.stop().await;
}

#[tokio::test]
async fn no_more_fleets_wait_than_fit_and_room_is_given_back() {
    let controllers = controllers().await;
    let join = |n: usize| controllers.join(&name(&format!("fleet-{n}")));
    let mut waiting: Vec<_> = (0..MAX_WAITING).map(|n| join(n).unwrap()).collect();
    let refused = join(MAX_WAITING).err().unwrap().to_string();
    assert!(
        refused.contains("fleet-4096") && refused.contains("apply a document"),
        "{refused}"
    );
    // Those that wait are found as before.
    join(7).unwrap();
    waiting.pop();
    until(&controllers, MAX_WAITING - 1).await;
    join(MAX_WAITING).unwrap();
    drop(waiting);
    until(&controllers, 0).await;
    controllers.stop().await;
}

/// The fleet is listed with its proxies, so no answer may say that there is none.
#[tokio::test]
async fn what_a_waiting_fleet_has_not_is_said_of_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxy = LedgerProxy::connect(&server, "payments", "edge-1");
    let snapshot = api::GetSnapshotRequest {
        fleet: "payments".to_owned(),
        ..Default::default()
    };
    let history = api::GetHistoryRequest {
        fleet: "payments".to_owned(),
        ..Default::default()
    };
    let rollback = api::RollbackFleetRequest {
        meta: with(|_| ()),
        fleet: "payments".to_owned(),
        to_revision: 1,
        exact: false,
        yes: true,
    };
    let answers = [
        client.get_snapshot(snapshot).await.unwrap_err(),
        client.get_history(history).await.unwrap_err(),
        client.rollback_fleet(rollback).await.unwrap_err(),
    ];
    for answer in answers {
        assert_eq!(answer.code(), tonic::Code::FailedPrecondition);
        let said = answer.message();
        assert!(said.contains("1 of its proxies wait"), "{said}");
    }
}

/// What lists fleets, and what their proxies report, agree on which there are.
#[tokio::test]
async fn a_fleet_whose_proxies_are_all_away_is_in_its_statistics_too() {
    let server = Server::start().await;
    let mut client = server.client().await;
    LedgerProxy::connect(&server, "payments", "edge-1").disconnect();
    let fleets = api::GetFleetsRequest {
        fleet: "payments".to_owned(),
        ..Default::default()
    };
    let stats = api::GetStatsRequest {
        fleet: "payments".to_owned(),
        ..Default::default()
    };
    let listed = client.get_fleets(fleets).await.unwrap().into_inner();
    let counted = client.get_stats(stats).await.unwrap().into_inner();
    assert_eq!(listed.fleets[0].proxies.len(), 1);
    assert_eq!(counted.fleets[0].fleet, "payments");
    assert_eq!(counted.fleets[0].connected, 0);
}

/// A node that only reports its load, and asks for no configuration, is counted with none of those that do.
#[tokio::test]
async fn who_only_reports_is_no_connected_proxy_that_reports() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let handle = server.fleet("payments");
    let _proxies =
        ["edge-1", "edge-2", "edge-2"].map(|id| LedgerProxy::connect(&server, "payments", id));
    for (stream, proxy) in [
        (1, "edge-1"),
        (2, "elsewhere"),
        (3, "elsewhere"),
        (4, "edge-2"),
    ] {
        report(&handle, proxy, stream);
    }
    let mut asked = async |proxy: &str| {
        let stats = api::GetStatsRequest {
            fleet: "payments".to_owned(),
            proxy: proxy.to_owned(),
            ..Default::default()
        };
        let mut counted = client.get_stats(stats).await.unwrap().into_inner();
        let fleet = counted.fleets.remove(0);
        (fleet.reporting, fleet.connected)
    };
    assert_eq!(asked("").await, (2, 2));
    assert_eq!(asked("edge-1").await, (1, 1));
    assert_eq!(asked("elsewhere").await, (0, 0));
}
