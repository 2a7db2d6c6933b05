//! The protocol over real sockets: the server with a scripted client, a line of the checklist per test.

mod client_status;
mod load_reports;
#[path = "../support/mod.rs"]
mod support;

mod delta;
mod services;

use std::{collections::BTreeMap, sync::Arc};

use bluegreen::{
    fleet::Requirement,
    model::{Colour, Name, Revision, TypeUrl},
    snapshot::{Input, Snapshot},
};
use envoy_types::pb::{
    envoy::service::{
        discovery::v3::{
            DiscoveryRequest, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
        runtime::v3::Runtime,
    },
    google::protobuf::Struct,
};
use prost::Message;
use support::{
    plane::{Fleets, PATIENCE, Plane, service, service_with},
    xds_client::{XdsClient, channel, node},
};
use tonic::Code;

const CDS: TypeUrl = TypeUrl::Cluster;
const EDS: TypeUrl = TypeUrl::ClusterLoadAssignment;
const LDS: TypeUrl = TypeUrl::Listener;
const RDS: TypeUrl = TypeUrl::RouteConfiguration;
const FLEET: &str = "payments";
const FRAUD: [&str; 2] = ["fraud/blue", "fraud/green"];

/// Service `fraud`, with that colour live.
fn fraud(live: Colour) -> impl FnOnce(&mut Input) {
    move |input| {
        let blue = ["127.0.0.1:9001".parse().unwrap()];
        let green = ["127.0.0.1:9002".parse().unwrap()];
        let service = service(10000, &blue, &green, live);
        input
            .services
            .insert(Name::parse("fraud").unwrap(), Arc::new(service));
    }
}

/// Service `risk`, on the listener of `fraud`.
fn risk(input: &mut Input) {
    let blue = ["127.0.0.1:9003".parse().unwrap()];
    let more = serde_json::json!({ "hosts": ["risk.test"] });
    let risk = service_with(10000, more, &blue, &[], Colour::Blue);
    input
        .services
        .insert(Name::parse("risk").unwrap(), Arc::new(risk));
}

/// The name of the one route configuration.
fn routes(fleets: &Fleets) -> String {
    let newest = fleets.newest(FLEET);
    newest
        .get(RDS)
        .unwrap()
        .resources
        .keys()
        .next()
        .unwrap()
        .to_string()
}

/// A server with service `fraud`, and a client that has all of it.
async fn started() -> (Fleets, Plane, XdsClient) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = XdsClient::connect(plane.address, "edge-1", FLEET).await;
    client.start(&FRAUD, &routes(&fleets)).await;
    (fleets, plane, client)
}

fn routes_of(revision: Revision) -> Requirement {
    Requirement::new(revision, vec![RDS])
}

async fn refused(client: &mut XdsClient) -> (Code, String) {
    client.subscribe(CDS, &[]);
    let status = client.end().await.expect("it was served");
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn line_01_a_node_that_cannot_be_matched_is_told_what_to_set() {
    let fleets = Fleets::default().reject_unknown();
    let plane = Plane::start(&fleets).await;
    for (node, what) in [
        (None, "--service-node"),
        (Some(node("", FLEET)), "--service-node"),
        (Some(node("edge-1", "")), "--service-cluster"),
        (Some(node("edge-1", "pay/ments")), "node.cluster"),
    ] {
        let mut client = XdsClient::with_node(plane.address, node).await;
        let (code, message) = refused(&mut client).await;
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains(what), "{message}");
    }
    let mut client = XdsClient::connect(plane.address, "edge-1", FLEET).await;
    let (code, message) = refused(&mut client).await;
    assert_eq!(code, Code::NotFound);
    assert!(message.contains(FLEET), "{message}");
}

#[tokio::test]
async fn line_01_a_proxy_of_a_fleet_that_does_not_exist_yet_waits() {
    let fleets = Fleets::default();
    let plane = Plane::start(&fleets).await;
    let mut client = XdsClient::connect(plane.address, "edge-1", FLEET).await;
    client.subscribe(CDS, &[]);
    let listed = |ledger: &bluegreen::fleet::Ledger| {
        ledger
            .proxies(&BTreeMap::new())
            .first()
            .is_some_and(|p| p.connected && !p.types.is_empty())
    };
    fleets
        .until(FLEET, "the waiting proxy is listed", listed)
        .await;
    fleets.change(FLEET, fraud(Colour::Blue));
    client.expect(CDS, 2).await;
}

#[tokio::test]
async fn line_01_two_streams_of_one_node_id_are_served() {
    let (fleets, plane, _first) = started().await;
    let mut second = XdsClient::connect(plane.address, "edge-1", FLEET).await;
    second.start(&FRAUD, &routes(&fleets)).await;
}

#[tokio::test]
async fn line_03_a_first_request_of_more_than_twenty_megabytes_is_read() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut large = node("edge-1", FLEET);
    let text = envoy_types::pb::google::protobuf::Value {
        kind: Some(envoy_types::pb::google::protobuf::value::Kind::StringValue(
            "x".repeat(24 * 1024 * 1024),
        )),
    };
    large.metadata = Some(Struct {
        fields: [("large".to_owned(), text)].into(),
    });
    let mut client = XdsClient::with_node(plane.address, Some(large)).await;
    client.subscribe(CDS, &[]);
    client.expect(CDS, 2).await;
}

#[tokio::test]
async fn line_04_streams_end_cleanly_when_the_server_stops() {
    let (fleets, plane, mut client) = started().await;
    client.quiet().await;
    let (stopped, ended) = tokio::join!(plane.stop(), client.end());
    assert_eq!(((), None), (stopped, ended.map(|status| status.code())));
    let away = |ledger: &bluegreen::fleet::Ledger| !ledger.proxies(&BTreeMap::new())[0].connected;
    fleets.until(FLEET, "the proxy is away", away).await;
}

#[tokio::test]
async fn line_04_many_streams_share_a_connection() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut ads = AggregatedDiscoveryServiceClient::new(channel(plane.address).await);
    let mut streams = Vec::new();
    for n in 0..500 {
        let first = DiscoveryRequest {
            node: Some(node(&format!("edge-{n}"), FLEET)),
            type_url: CDS.url().to_owned(),
            ..DiscoveryRequest::default()
        };
        let requests =
            futures::StreamExt::chain(tokio_stream::iter([first]), tokio_stream::pending());
        let opened = ads.stream_aggregated_resources(requests);
        let mut stream = tokio::time::timeout(PATIENCE, opened)
            .await
            .unwrap()
            .unwrap()
            .into_inner();
        let answer = tokio::time::timeout(PATIENCE, stream.message())
            .await
            .unwrap();
        assert_eq!(answer.unwrap().unwrap().resources.len(), 2);
        streams.push(stream);
    }
    assert_eq!(
        fleets.ledger(FLEET).proof(&routes_of(Revision(1))).total,
        500
    );
}

#[tokio::test]
async fn line_05_a_client_that_does_not_read_delays_nobody_and_then_gets_the_newest() {
    let (fleets, plane, mut reader) = started().await;
    let mut stalled = XdsClient::connect(plane.address, "edge-2", FLEET).await;
    stalled.start(&FRAUD, &routes(&fleets)).await;
    stalled.quiet().await;
    for n in 0..50 {
        let live = if n % 2 == 0 {
            Colour::Green
        } else {
            Colour::Blue
        };
        let newest = fleets.change(FLEET, fraud(live)).revision;
        reader.expect(RDS, 1).await;
        reader.ack(RDS);
        let acked = |ledger: &bluegreen::fleet::Ledger| ledger.proof(&routes_of(newest)).acked == 1;
        fleets.until(FLEET, "one of two has accepted", acked).await;
    }
    // A few that were on their way, and after its answer nothing but the newest.
    let newest = fleets.newest(FLEET).get(RDS).unwrap().version();
    for _ in 0..2 {
        stalled.expect(RDS, 1).await;
    }
    stalled.ack(RDS);
    let last = fleets.change(FLEET, fraud(Colour::Green));
    let version = last.get(RDS).unwrap().version();
    let mut seen = stalled.expect(RDS, 1).await.version_info;
    if seen == newest {
        stalled.ack(RDS);
        seen = stalled.expect(RDS, 1).await.version_info;
    }
    assert_eq!(seen, version);
}

#[tokio::test]
async fn line_07_a_rejection_is_reported_and_its_response_not_repeated() {
    let (fleets, _plane, mut client) = started().await;
    let bad = fleets.change(FLEET, fraud(Colour::Green)).revision;
    client.expect(RDS, 1).await;
    client.nack(RDS, "no such thing");
    client.quiet().await;
    let proof = fleets.ledger(FLEET).proof(&routes_of(bad));
    assert_eq!((proof.nacked, proof.total), (1, 1));
    // The revision that takes it back is what the proxy has: nothing to send, and it counts as accepted.
    let back = fleets.change(FLEET, fraud(Colour::Blue)).revision;
    let taken = |ledger: &bluegreen::fleet::Ledger| ledger.proof(&routes_of(back)).acked == 1;
    fleets.until(FLEET, "the way back is accepted", taken).await;
    client.quiet().await;
}

/// The server is killed and started again on the same port with that snapshot, and the client reconnects.
async fn restarted(
    plane: Plane,
    client: XdsClient,
    snapshot: Snapshot,
) -> (Fleets, Plane, XdsClient) {
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

#[tokio::test]
async fn line_12_a_reconnect_to_a_restarted_server_by_version_brings_nothing() {
    let (fleets, plane, mut client) = started().await;
    client.quiet().await;
    let (fleets, _plane, mut client) = restarted(plane, client, fleets.newest(FLEET)).await;
    client.subscribe(CDS, &[]);
    client.subscribe(EDS, &FRAUD);
    client.subscribe(LDS, &[]);
    client.subscribe(RDS, &[&routes(&fleets)]);
    let all = Requirement::new(Revision(1), vec![CDS, EDS, LDS, RDS]);
    fleets
        .until(FLEET, "it has everything", |ledger| {
            ledger.proof(&all).is_complete()
        })
        .await;
    client.quiet().await;
}

#[tokio::test]
async fn line_12_a_switch_while_the_server_was_away_goes_out_at_once() {
    let (fleets, plane, client) = started().await;
    fleets.change(FLEET, fraud(Colour::Green));
    let (fleets, _plane, mut client) = restarted(plane, client, fleets.newest(FLEET)).await;
    client.subscribe(CDS, &[]);
    client.subscribe(EDS, &FRAUD);
    client.subscribe(LDS, &[]);
    client.subscribe(RDS, &[&routes(&fleets)]);
    client.expect(RDS, 1).await;
}

#[tokio::test]
async fn line_12_with_clusters_that_are_outdated_too_it_waits_for_their_ack_only() {
    let (fleets, plane, client) = started().await;
    fleets.change(FLEET, fraud(Colour::Green));
    fleets.change(FLEET, risk);
    let (fleets, _plane, mut client) = restarted(plane, client, fleets.newest(FLEET)).await;
    client.subscribe(CDS, &[]);
    client.expect(CDS, 4).await;
    client.subscribe(EDS, &FRAUD);
    client.expect(EDS, 2).await;
    client.subscribe(RDS, &[&routes(&fleets)]);
    client.quiet().await;
    client.ack(CDS);
    client.expect(RDS, 1).await;
}

#[tokio::test]
async fn line_12_a_proxy_of_a_newer_revision_gets_nothing_and_is_an_alarm() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = XdsClient::connect(plane.address, "edge-1", FLEET).await;
    client.versions.insert(CDS, "50-a1b2c3d4".into());
    client.subscribe(CDS, &[]);
    let alarm = [("edge-1".into(), Revision(50))];
    fleets
        .until(FLEET, "an alarm", |ledger| ledger.newer() == alarm)
        .await;
    fleets.change(FLEET, fraud(Colour::Green));
    assert_eq!(fleets.ledger(FLEET).proof(&routes_of(Revision(2))).acked, 0);
}

#[tokio::test]
async fn line_13_a_runtime_layer_that_does_not_exist_is_answered_empty() {
    let (_fleets, _plane, mut client) = started().await;
    client.subscribe(TypeUrl::Runtime, &["somebody-elses"]);
    let answer = client.expect(TypeUrl::Runtime, 1).await;
    let layer = Runtime::decode(&answer.resources[0].value[..]).unwrap();
    assert_eq!((&*layer.name, layer.layer), ("somebody-elses", None));
}

#[tokio::test]
async fn line_19_a_new_service_arrives_in_order_and_its_route_after_its_clusters() {
    let (fleets, _plane, mut client) = started().await;
    fleets.change(FLEET, risk);
    client.expect(CDS, 4).await;
    client.subscribe(
        EDS,
        &["fraud/blue", "fraud/green", "risk/blue", "risk/green"],
    );
    client.expect(EDS, 2).await;
    client.ack(EDS);
    client.quiet().await;
    client.ack(CDS);
    client.expect(RDS, 1).await;
}

#[tokio::test]
async fn line_22_a_switch_is_one_response_and_its_proof_the_time_of_the_ack() {
    let (fleets, _plane, mut client) = started().await;
    client.quiet().await;
    let switch = fleets.change(FLEET, fraud(Colour::Green)).revision;
    client.expect(RDS, 1).await;
    assert_eq!(fleets.ledger(FLEET).proof(&routes_of(switch)).pending, 1);
    client.ack(RDS);
    fleets
        .until(FLEET, "acked", |ledger| {
            ledger.proof(&routes_of(switch)).is_complete()
        })
        .await;
    let proof = fleets.ledger(FLEET).proof(&routes_of(switch));
    assert_eq!(proof.first_ack, proof.last_ack);
    client.quiet().await;
}

#[tokio::test]
async fn two_fleets_do_not_see_each_other() {
    let (fleets, plane, mut client) = started().await;
    let mut other = XdsClient::connect(plane.address, "edge-1", "other").await;
    other.subscribe(CDS, &[]);
    fleets.change("other", |_| {});
    other.expect(CDS, 0).await;
    fleets.change(FLEET, fraud(Colour::Green));
    client.expect(RDS, 1).await;
    other.quiet().await;
    assert_eq!(fleets.ledger(FLEET).proof(&routes_of(Revision(1))).total, 1);
}
