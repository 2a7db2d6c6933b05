//! The protocol over real sockets: the server with a scripted client, a line of the checklist per test. What is the same in
//! state of the world and in delta runs in both.

mod client_status;
mod load_reports;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod delta;
mod grpc;
mod living;
mod names;
mod order;
mod resumed;
mod services;
mod sotw;
mod streams;

use std::{collections::BTreeMap, sync::Arc};

use bluegreen::{
    fleet::{Ledger, Requirement},
    model::{Colour, Name, Revision, TypeUrl},
    snapshot::{Input, Snapshot},
};
use serde_json::{Value, json};
use support::{
    either::{Client, Mode, in_both_modes},
    plane::{Fleets, PATIENCE, Plane, service_with},
    xds_client::{channel, node},
};
use tonic::Code;

const CDS: TypeUrl = TypeUrl::Cluster;
const EDS: TypeUrl = TypeUrl::ClusterLoadAssignment;
const LDS: TypeUrl = TypeUrl::Listener;
const RDS: TypeUrl = TypeUrl::RouteConfiguration;
const FLEET: &str = "payments";
const FRAUD: [&str; 2] = ["fraud/blue", "fraud/green"];
const RISK: [&str; 2] = ["risk/blue", "risk/green"];
const ALL: [&str; 4] = ["fraud/blue", "fraud/green", "risk/blue", "risk/green"];
/// The name of the listener of the services, and of its route configuration.
const MAIN: &str = "127.0.0.1:10000";
/// The name of another.
const SECOND: &str = "127.0.0.1:10001";

/// Service `fraud`, with that colour live.
fn fraud(live: Colour) -> impl FnOnce(&mut Input) {
    fraud_with(json!({}), live)
}

/// The same, with more in its spec.
fn fraud_with(more: Value, live: Colour) -> impl FnOnce(&mut Input) {
    put("fraud", more, live)
}

/// Service `risk`, on the listener of `fraud`.
fn risk(input: &mut Input) {
    put("risk", json!({ "hosts": ["risk.test"] }), Colour::Blue)(input);
}

/// A service, with more in its spec.
fn put(name: &'static str, more: Value, live: Colour) -> impl FnOnce(&mut Input) {
    move |input| {
        let blue = ["127.0.0.1:9001".parse().unwrap()];
        let green = ["127.0.0.1:9002".parse().unwrap()];
        let service = service_with(10000, more, &blue, &green, live);
        let name = Name::parse(name).unwrap();
        input.services.insert(name, Arc::new(service));
    }
}

/// Service `risk`, on the listener [`SECOND`].
fn elsewhere(input: &mut Input) {
    let listener = json!({ "listener": { "address": "127.0.0.1", "port": 10001 } });
    put("risk", listener, Colour::Blue)(input);
}

fn without(name: &'static str) -> impl FnOnce(&mut Input) {
    move |input| {
        input.services.remove(&Name::parse(name).unwrap());
    }
}

/// A server with service `fraud`, and a client that has all of it.
async fn started(mode: Mode) -> (Fleets, Plane, Client) {
    started_with(mode, Fleets::default()).await
}

/// The same, of fleets that are set in some way.
async fn started_with(mode: Mode, fleets: Fleets) -> (Fleets, Plane, Client) {
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    client.start(&FRAUD, MAIN, MAIN).await;
    (fleets, plane, client)
}

fn routes_of(revision: Revision) -> Requirement {
    Requirement::new(revision, vec![RDS])
}

/// The one proxy has accepted that revision of these types.
async fn accepted(fleets: &Fleets, revision: Revision, types: &[TypeUrl]) {
    let all = Requirement::new(revision, types.to_vec());
    let says = |ledger: &Ledger| ledger.proof(&all).is_complete() && ledger.proof(&all).total == 1;
    fleets.until(FLEET, "it has everything", says).await;
}

/// What a response holds that brings these to those before: all in a list, the new ones in delta.
fn news<'a>(mode: Mode, before: &[&'a str], new: &[&'a str]) -> Vec<&'a str> {
    match mode {
        Mode::Sotw => [before, new].concat(),
        Mode::Delta => new.to_vec(),
    }
}

/// The server is stopped and started again on the same port with that snapshot, and the client reconnects.
async fn restarted(plane: Plane, client: Client, snapshot: Snapshot) -> (Fleets, Plane, Client) {
    let address = plane.address;
    plane.stop().await;
    // Another process: only the snapshot is the same.
    let fleets = Fleets::default();
    fleets.push(FLEET, snapshot);
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let plane = Plane::on(listener, &fleets);
    let client = client.reconnect(plane.address, "edge-1", FLEET).await;
    (fleets, plane, client)
}

in_both_modes!(two_fleets_do_not_see_each_other);

async fn two_fleets_do_not_see_each_other(mode: Mode) {
    let (fleets, plane, mut client) = started(mode).await;
    let mut other = Client::connect(mode, plane.address, "edge-1", "other").await;
    other.ask(CDS, &[]);
    fleets.change("other", |_| {});
    other.expect(CDS, &[]).await;
    fleets.change(FLEET, fraud(Colour::Green));
    client.expect(RDS, &[MAIN]).await;
    other.quiet().await;
    assert_eq!(fleets.ledger(FLEET).proof(&routes_of(Revision(1))).total, 1);
}
