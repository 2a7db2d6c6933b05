//! Requests that are too many, too long, or about what nobody knows.

use bluegreen::model::TypeUrl;
use envoy_types::pb::{
    envoy::{config::core::v3::Node, service::discovery::v3::DiscoveryRequest},
    google::protobuf::{Struct, Value, value::Kind},
};

use crate::{
    plane::{FLEET, Plane},
    spoken::Mode,
    support::{
        waiting,
        xds_client::{XdsClient, node},
    },
};

fn request(node: Option<Node>, type_url: &str, names: Vec<String>) -> DiscoveryRequest {
    DiscoveryRequest {
        node,
        type_url: type_url.to_owned(),
        resource_names: names,
        ..DiscoveryRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_nodes_are_not_kept() {
    /// Ten of them are more than the server may have.
    const METADATA: usize = 16 << 20;
    let plane = Plane::start().await;
    let text = "x".repeat(METADATA);
    let mut clients = Vec::new();
    for number in 0..20 {
        let value = Value {
            kind: Some(Kind::StringValue(text.clone())),
        };
        let node = Node {
            metadata: Some(Struct {
                fields: [("huge".to_owned(), value)].into(),
            }),
            ..node(&format!("huge-{number}"), FLEET)
        };
        let mut client = XdsClient::with_node(plane.world.xds, Some(node)).await;
        client.subscribe(TypeUrl::Cluster, &[]);
        client.expect(TypeUrl::Cluster, 2).await;
        clients.push(client);
    }
    // They are all connected, and what they have sent is gone.
    plane.recovers(128).await;
    drop(clients);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_nobody_knows_get_no_answer_and_fill_no_log() {
    let plane = Plane::start().await;
    let mut client = XdsClient::connect(plane.world.xds, "curious", FLEET).await;
    client.subscribe(TypeUrl::Cluster, &[]);
    client.expect(TypeUrl::Cluster, 2).await;
    client.ack(TypeUrl::Cluster);
    let before = plane.world.log().len();
    let long = "x".repeat(100_000);
    for number in 0..2_000 {
        client.say(request(
            None,
            &format!(
                "type.googleapis.com/unknown.{number}.{}",
                &long[..number * 50]
            ),
            Vec::new(),
        ));
    }
    client.quiet().await;
    let log = async || plane.world.log();
    let said = |log: &String| log.contains("type.googleapis.com/unknown.0.");
    let log = waiting::until("said once", log, said).await;
    let grown = log.len() - before;
    assert!(grown < 64 * 1024, "{grown} bytes of log");
    plane.recovers(64).await;
}

/// Clients that ask again and again and read no answer: the server stops reading them, and with it they stop writing.
async fn flood(mode: Mode) {
    let plane = Plane::start().await;
    let mut floods = Vec::new();
    for number in 0..4 {
        let mut raw = mode.open(plane.world.xds).await;
        let node = node(&format!("flood-{number}"), FLEET);
        raw.bytes(mode.ask(Some(node), TypeUrl::Cluster.url(), Vec::new()))
            .await;
        floods.push(tokio::spawn(async move {
            let [blue, green] = ["blue", "green"].map(|it| format!("fraud-model/{it}"));
            let both = vec![blue.clone(), green];
            // Each is answered: in delta a name that is asked for again is.
            for names in [vec![blue], both].into_iter().cycle() {
                let asked = mode.ask(None, TypeUrl::ClusterLoadAssignment.url(), names);
                if !raw.bytes(asked).await {
                    return raw.status().await;
                }
            }
            None
        }));
    }
    for _ in 0..20 {
        plane.goes_on().await;
    }
    for flood in floods {
        flood.abort();
        let ended = flood.await;
        assert!(ended.is_err(), "it was cut: {ended:?}");
    }
    plane.recovers(64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_faster_than_responses_are_read_wait() {
    flood(Mode::Sotw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_faster_than_responses_are_read_wait_in_delta() {
    flood(Mode::Delta).await;
}
