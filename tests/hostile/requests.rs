//! Requests that are too many, too long, or about what nobody knows.

use bluegreen::model::TypeUrl;
use envoy_types::pb::{
    envoy::{config::core::v3::Node, service::discovery::v3::DiscoveryRequest},
    google::protobuf::{Struct, Value, value::Kind},
};

use crate::{
    plane::{FLEET, Plane},
    support::xds_client::{XdsClient, node},
    wire::{Raw, SOTW},
};

/// Names in one request.
const NAMES: usize = 100_000;

fn request(node: Option<Node>, type_url: &str, names: Vec<String>) -> DiscoveryRequest {
    DiscoveryRequest {
        node,
        type_url: type_url.to_owned(),
        resource_names: names,
        ..DiscoveryRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_names_are_answered_and_forgotten() {
    let plane = Plane::start().await;
    for round in 0..10 {
        let mut client = XdsClient::connect(plane.world.xds, "greedy", FLEET).await;
        // Other names every time: nothing of one stream may outlive it.
        let mut names: Vec<String> = (0..NAMES)
            .map(|name| format!("nobody-{round}/name-{name}"))
            .collect();
        names.push("fraud-model/blue".to_owned());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        client.subscribe(TypeUrl::ClusterLoadAssignment, &names);
        client.expect(TypeUrl::ClusterLoadAssignment, 1).await;
        client.ack(TypeUrl::ClusterLoadAssignment);
        // The same list changed a little, again and again.
        for last in 0..2 {
            client.subscribe(TypeUrl::ClusterLoadAssignment, &names[..NAMES - last]);
        }
        client.quiet().await;
        plane.goes_on().await;
    }
    plane.recovers(256).await;
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
    let log = plane.world.log();
    let grown = log.len() - before;
    assert!(grown < 64 * 1024, "{grown} bytes of log");
    assert!(
        log.contains("type.googleapis.com/unknown.0."),
        "it is said once"
    );
    plane.recovers(64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_faster_than_responses_are_read_wait() {
    let plane = Plane::start().await;
    let mut floods = Vec::new();
    for number in 0..4 {
        let raw = Raw::open(plane.world.xds, SOTW).await;
        let first = request(
            Some(node(&format!("flood-{number}"), FLEET)),
            TypeUrl::Cluster.url(),
            Vec::new(),
        );
        raw.message(&first).await;
        floods.push(tokio::spawn(async move {
            // Each is answered, and no answer is read: the server stops reading, and with it this one stops writing.
            for round in 0_u64.. {
                let names = match round % 2 {
                    0 => vec!["fraud-model/blue".to_owned()],
                    _ => vec![
                        "fraud-model/blue".to_owned(),
                        "fraud-model/green".to_owned(),
                    ],
                };
                if !raw
                    .message(&request(None, TypeUrl::ClusterLoadAssignment.url(), names))
                    .await
                {
                    break;
                }
            }
        }));
    }
    for _ in 0..20 {
        plane.goes_on().await;
    }
    for flood in &floods {
        flood.abort();
    }
    drop(floods);
    plane.recovers(64).await;
}
