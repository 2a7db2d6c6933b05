//! Streams: who is served, how much is read, how they end, and what a client that does not read costs others.

use bluegreen::{
    snapshot::{References, Resource},
    xds::server::Options,
};
use envoy_types::pb::{
    envoy::{
        admin::v3::ClientResourceStatus,
        config::{cluster::v3::Cluster, core::v3::Node},
        service::discovery::v3::{
            DeltaDiscoveryRequest, DiscoveryRequest,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    },
    google::protobuf::{Struct, Value, value::Kind},
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use prost::Message as _;

use super::*;

async fn refused(client: &mut Client) -> (Code, String) {
    client.ask(CDS, &[]);
    let status = client.end().await.expect("it was served");
    (status.code(), status.message().to_owned())
}

in_both_modes!(
    line_01_a_node_that_cannot_be_matched_is_told_what_to_set,
    line_01_a_proxy_of_a_fleet_that_does_not_exist_yet_waits,
    line_01_two_streams_of_one_node_id_are_served,
    line_01_two_streams_over_one_connection_are_one_proxy,
    line_01_two_connections_that_name_other_listeners_are_one_proxy,
);

async fn line_01_a_node_that_cannot_be_matched_is_told_what_to_set(mode: Mode) {
    let fleets = Fleets::default().reject_unknown();
    let plane = Plane::start(&fleets).await;
    for (node, what) in [
        (None, "--service-node"),
        (Some(node("", FLEET)), "--service-node"),
        (Some(node("edge-1", "")), "--service-cluster"),
        (Some(node("edge-1", "pay/ments")), "node.cluster"),
    ] {
        let mut client = Client::with_node(mode, plane.address, node).await;
        let (code, message) = refused(&mut client).await;
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains(what), "{message}");
    }
    let mut client = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    let (code, message) = refused(&mut client).await;
    assert_eq!(code, Code::NotFound);
    assert!(message.contains(FLEET), "{message}");
}

async fn line_01_a_proxy_of_a_fleet_that_does_not_exist_yet_waits(mode: Mode) {
    let fleets = Fleets::default();
    let plane = Plane::start(&fleets).await;
    let mut client = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    client.ask(CDS, &[]);
    let listed = |ledger: &Ledger| {
        ledger
            .proxies(&BTreeMap::new())
            .first()
            .is_some_and(|p| p.connected && !p.types.is_empty())
    };
    fleets
        .until(FLEET, "the waiting proxy is listed", listed)
        .await;
    fleets.change(FLEET, fraud(Colour::Blue));
    client.expect(CDS, &FRAUD).await;
}

async fn line_01_two_streams_of_one_node_id_are_served(mode: Mode) {
    let (_fleets, plane, _first) = started(mode).await;
    let mut second = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    second.start(&FRAUD, MAIN, MAIN).await;
}

async fn line_01_two_streams_over_one_connection_are_one_proxy(mode: Mode) {
    let (fleets, plane) = two_targets().await;
    // As a gRPC process in Python or C++, which has a channel for each service.
    let connection = channel(plane.address).await;
    let node = Some(node("edge-1", FLEET));
    let first = Client::on(mode, connection.clone(), node.clone()).await;
    let second = Client::on(mode, connection, node).await;
    are_one_proxy(&fleets, &plane, [first, second]).await;
}

async fn line_01_two_connections_that_name_other_listeners_are_one_proxy(mode: Mode) {
    let (fleets, plane) = two_targets().await;
    // As a gRPC process in Go, which has a connection for each target.
    let mut first = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    let mut second = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    for (client, listener) in [(&mut first, MAIN), (&mut second, SECOND)] {
        client.ask(LDS, &[listener]);
        client.expect(LDS, &[listener]).await;
        client.ack(LDS);
    }
    are_one_proxy(&fleets, &plane, [first, second]).await;
}

async fn two_targets() -> (Fleets, Plane) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    fleets.change(FLEET, elsewhere);
    let plane = Plane::start(&fleets).await;
    (fleets, plane)
}

/// Each of the two streams asks for one route, of which a switch changes one.
async fn are_one_proxy(fleets: &Fleets, plane: &Plane, [mut first, mut second]: [Client; 2]) {
    for (client, route) in [(&mut first, MAIN), (&mut second, SECOND)] {
        client.ask(RDS, &[route]);
        client.expect(RDS, &[route]).await;
        client.ack(RDS);
        client.quiet().await;
    }
    let switch = fleets.change(FLEET, fraud(Colour::Green)).revision;
    first.expect(RDS, &[MAIN]).await;
    // The switch is no news for the newer stream: it has all that it asks for.
    second.quiet().await;
    let counts = |proof: bluegreen::fleet::Proof| (proof.total, proof.acked, proof.pending);
    let proof = fleets.ledger(FLEET).proof(&routes_of(switch));
    assert_eq!(counts(proof), (1, 0, 1));
    first.ack(RDS);
    accepted(fleets, switch, &[RDS]).await;
    let proof = fleets.ledger(FLEET).proof(&routes_of(switch));
    assert_eq!(counts(proof), (1, 1, 0));
    let told = crate::client_status::of_client(plane.address, RDS).await;
    let acked = |name: &str| (name.to_owned(), ClientResourceStatus::Acked);
    assert_eq!(told, [acked(MAIN), acked(SECOND)]);
}

/// More than twenty megabytes.
const LARGE: usize = 24 * 1024 * 1024;

in_both_modes!(line_03_a_first_request_of_more_than_twenty_megabytes_is_read);

async fn line_03_a_first_request_of_more_than_twenty_megabytes_is_read(mode: Mode) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let kind = Some(Kind::StringValue("x".repeat(LARGE)));
    let large = Node {
        metadata: Some(Struct {
            fields: [("large".to_owned(), Value { kind })].into(),
        }),
        ..node("edge-1", FLEET)
    };
    let mut client = Client::with_node(mode, plane.address, Some(large)).await;
    client.ask(CDS, &[]);
    client.expect(CDS, &FRAUD).await;
}

#[tokio::test]
async fn line_03_what_a_large_proxy_had_of_an_earlier_stream_is_read_in_delta() {
    const NAMES: usize = 400;
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = Client::connect(Mode::Delta, plane.address, "edge-1", FLEET).await;
    let Client::Delta(delta, _) = &mut client else {
        panic!("it speaks delta");
    };
    let long = "x".repeat(LARGE / NAMES);
    let names = (0..NAMES).map(|number| format!("{number}-{long}"));
    delta.say(DeltaDiscoveryRequest {
        type_url: EDS.url().to_owned(),
        resource_names_subscribe: FRAUD.map(str::to_owned).into(),
        initial_resource_versions: names.map(|name| (name, "1-a1b2".to_owned())).collect(),
        ..DeltaDiscoveryRequest::default()
    });
    client.expect(EDS, &FRAUD).await;
}

in_both_modes!(line_03_a_response_of_more_than_four_megabytes_is_counted);

async fn line_03_a_response_of_more_than_four_megabytes_is_counted(mode: Mode) {
    let options = Options::default();
    let meters = options.meters.clone();
    let fleets = Fleets::default().served_with(options);
    let cluster = Cluster {
        name: "large".to_owned(),
        alt_stat_name: "x".repeat(4 * 1024 * 1024),
        ..Cluster::default()
    };
    let bytes = cluster.encode_to_vec().into();
    let large = Resource::new(CDS, "large", bytes, References::default());
    let change = [(CDS, [("large".into(), Some(Arc::new(large)))].into())];
    let empty = fleets.newest(FLEET);
    fleets.push(FLEET, empty.with(Revision(1), change.into()));
    let plane = Plane::start(&fleets).await;
    let mut client = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    client.ask(CDS, &[]);
    client.expect(CDS, &["large"]).await;
    client.quiet().await;
    let mut registry = Registry::default();
    meters.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let large = text
        .lines()
        .filter(|line| line.contains("large_responses_total{"));
    let large: Vec<&str> = large.filter(|line| !line.ends_with(" 0")).collect();
    let expected = "bluegreen_xds_large_responses_total{type=\"Cluster\"} 1";
    assert_eq!(large, [expected], "{text}");
}

in_both_modes!(line_04_streams_end_cleanly_when_the_server_stops);

async fn line_04_streams_end_cleanly_when_the_server_stops(mode: Mode) {
    let (fleets, plane, mut client) = started(mode).await;
    client.quiet().await;
    let (stopped, ended) = tokio::join!(plane.stop(), client.end());
    assert_eq!(((), None), (stopped, ended.map(|status| status.code())));
    let away = |ledger: &Ledger| !ledger.proxies(&BTreeMap::new())[0].connected;
    fleets.until(FLEET, "the proxy is away", away).await;
}

in_both_modes!(line_05_a_client_that_does_not_read_delays_nobody_and_then_gets_the_newest);

async fn line_05_a_client_that_does_not_read_delays_nobody_and_then_gets_the_newest(mode: Mode) {
    let (fleets, plane, mut reader) = started(mode).await;
    let mut stalled = Client::connect(mode, plane.address, "edge-2", FLEET).await;
    stalled.start(&FRAUD, MAIN, MAIN).await;
    stalled.quiet().await;
    for n in 0..50 {
        let live = if n % 2 == 0 {
            Colour::Green
        } else {
            Colour::Blue
        };
        let newest = fleets.change(FLEET, fraud(live)).revision;
        reader.expect(RDS, &[MAIN]).await;
        reader.ack(RDS);
        let acked = |ledger: &Ledger| ledger.proof(&routes_of(newest)).acked == 1;
        fleets.until(FLEET, "one of two has accepted", acked).await;
    }
    // A few that were on their way, and after its answer nothing but the newest.
    let newest = fleets.newest(FLEET).get(RDS).unwrap().version();
    for _ in 0..2 {
        stalled.expect(RDS, &[MAIN]).await;
    }
    stalled.ack(RDS);
    let last = fleets.change(FLEET, fraud(Colour::Green));
    let version = last.get(RDS).unwrap().version();
    let mut seen = stalled.expect(RDS, &[MAIN]).await.version;
    if seen == newest {
        stalled.ack(RDS);
        seen = stalled.expect(RDS, &[MAIN]).await.version;
    }
    assert_eq!(seen, version);
}

in_both_modes!(line_04_what_was_asked_before_the_client_closed_its_half_is_answered);

/// As tools do that ask once, with the end of the stream right behind the question.
async fn line_04_what_was_asked_before_the_client_closed_its_half_is_answered(mode: Mode) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut ads = AggregatedDiscoveryServiceClient::new(channel(plane.address).await);
    let node = Some(node("edge-1", FLEET));
    let type_url = CDS.url().to_owned();
    let clusters = match mode {
        Mode::Sotw => {
            let request = DiscoveryRequest {
                node,
                type_url,
                ..DiscoveryRequest::default()
            };
            let answers = ads.stream_aggregated_resources(tokio_stream::once(request));
            let mut answers = answers.await.unwrap().into_inner();
            let first = answers.message().await.unwrap().map(|r| r.resources.len());
            assert_eq!(answers.message().await.unwrap(), None);
            first
        }
        Mode::Delta => {
            let request = DeltaDiscoveryRequest {
                node,
                type_url,
                ..DeltaDiscoveryRequest::default()
            };
            let answers = ads.delta_aggregated_resources(tokio_stream::once(request));
            let mut answers = answers.await.unwrap().into_inner();
            let first = answers.message().await.unwrap().map(|r| r.resources.len());
            assert_eq!(answers.message().await.unwrap(), None);
            first
        }
    };
    assert_eq!(clusters, Some(FRAUD.len()));
}
