//! What the transport must do for proxies that are far away, dead, or written in Go.

use std::fmt::Write as _;

use bluegreen::model::TypeUrl;

use crate::{
    plane::{FLEET, Plane},
    support::{relay::Relay, waiting, xds_client::XdsClient},
};

#[tokio::test(flavor = "multi_thread")]
async fn line_03_a_response_of_more_than_four_megabytes_is_warned_of() {
    /// Of the statistics' name of each cluster: something long that Envoy would take.
    const LENGTH: usize = 60_000;
    let plane = Plane::start().await;
    let mut client = XdsClient::connect(plane.world.xds, "edge-1", FLEET).await;
    client.subscribe(TypeUrl::Cluster, &[]);
    client.expect(TypeUrl::Cluster, 2).await;
    client.ack(TypeUrl::Cluster);
    assert!(!plane.world.log().contains("larger than 4 MiB"));
    let long = "x".repeat(LENGTH);
    for set in 0..8 {
        let mut document = format!(
            "apiVersion: bluegreen/v1\nkind: EnvoyResources\nmetadata: {{ name: set-{set} }}\nspec:\n  fleet: {FLEET}\n  resources:\n"
        );
        for number in 0..10 {
            let name = format!("raw-{set}-{number}");
            let _ = writeln!(
                document,
                "    - {{ \"@type\": {}, name: {name}, type: STATIC, alt_stat_name: {long} }}",
                TypeUrl::Cluster.url()
            );
        }
        plane.world.apply(&document, &[]).await.ok();
    }
    loop {
        let response = client.next().await.expect("a stream").expect("a response");
        client.ack(TypeUrl::Cluster);
        if response.resources.len() == 82 {
            break;
        }
    }
    let warned = async || {
        let log = plane.world.log();
        let mut lines = log.lines().map(str::to_owned);
        lines.find(|line| line.contains("larger than 4 MiB"))
    };
    let warned = waiting::until("warned of", warned, Option::is_some).await;
    assert!(
        warned
            .as_ref()
            .is_some_and(|line| line.contains("edge-1") || line.contains("honest")),
        "{warned:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn line_04_a_proxy_that_vanished_without_a_word_is_noticed() {
    let plane = Plane::start().await;
    let relay = Relay::start(plane.world.xds).await;
    let mut client = XdsClient::connect(relay.addr(), "vanished", FLEET).await;
    let listener = plane.world.listener.addr().to_string();
    client
        .start(&["fraud-model/blue", "fraud-model/green"], &listener)
        .await;
    assert!(plane.is_connected("vanished").await);
    // The connection stands; nothing that the server asks is answered.
    relay.halt();
    plane.until_away("vanished").await;
    plane.goes_on().await;
}
