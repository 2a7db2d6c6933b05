//! Delta requests as large as honest proxies send them after a reconnect, and larger.

use std::collections::HashMap;

use bluegreen::model::TypeUrl;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use prost::Message;

use crate::{
    plane::{FLEET, Plane},
    support::xds_client::node,
    wire::{DELTA, Raw},
};

/// What a proxy says that it has.
const RESOURCES: usize = 250_000;

fn request(
    number: usize,
    versions: HashMap<String, String>,
    subscribe: Vec<String>,
) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(node(&format!("large-{number}"), FLEET)),
        type_url: TypeUrl::Cluster.url().to_owned(),
        resource_names_subscribe: subscribe,
        initial_resource_versions: versions,
        ..DeltaDiscoveryRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn line_03_a_reconnect_of_twenty_megabytes_is_answered_with_the_difference() {
    let plane = Plane::start().await;
    for number in 0..3 {
        let mut raw = Raw::open(plane.world.xds, DELTA).await;
        // Everything that another fleet had, and one of ours in another version.
        let old = (0..RESOURCES).map(|n| format!("service-with-a-long-name-{n}/blue-{number}"));
        let mut versions: HashMap<String, String> = old
            .map(|name| (name, "0123456789abcdef0123456789abcdef".to_owned()))
            .collect();
        versions.insert("fraud-model/blue".to_owned(), "outdated".to_owned());
        let request = request(number, versions, Vec::new());
        assert!(request.encoded_len() > 20 << 20);
        raw.message(&request).await;
        let response: DeltaDiscoveryResponse = raw.next().await;
        let sent: Vec<&str> = response
            .resources
            .iter()
            .map(|resource| &*resource.name)
            .collect();
        assert_eq!(sent, ["fraud-model/blue", "fraud-model/green"]);
        assert_eq!(response.removed_resources.len(), RESOURCES);
        plane.goes_on().await;
    }
    plane.recovers(512).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_names_in_delta_are_answered_and_forgotten() {
    /// Names in one request.
    const NAMES: usize = 100_000;
    let plane = Plane::start().await;
    for number in 0..5 {
        let mut raw = Raw::open(plane.world.xds, DELTA).await;
        let mut names: Vec<String> = (0..NAMES)
            .map(|name| format!("nobody-{number}/name-{name}"))
            .collect();
        names.push("fraud-model/blue".to_owned());
        raw.message(&request(number, HashMap::new(), names)).await;
        let response: DeltaDiscoveryResponse = raw.next().await;
        assert_eq!(response.resources.len(), 1);
        // What does not exist is said to be gone (delta has no other way).
        assert_eq!(response.removed_resources.len(), NAMES);
        plane.goes_on().await;
    }
    plane.recovers(256).await;
}
