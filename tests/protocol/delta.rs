//! What only delta has: versions per resource, names that come and go, words for what is gone.

use envoy_types::pb::{
    envoy::service::discovery::v3::DeltaDiscoveryRequest, google::rpc::Status as RpcStatus,
};

use super::*;
use crate::support::delta_client::DeltaClient;

/// A server with service `fraud`, and a delta client that has all of it.
async fn started() -> (Fleets, Plane, DeltaClient) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = DeltaClient::connect(plane.address, "edge-1", FLEET).await;
    client.start(&FRAUD, MAIN, MAIN).await;
    (fleets, plane, client)
}

#[tokio::test]
async fn line_14_a_reconnect_to_a_restarted_server_brings_what_differs() {
    let (fleets, plane, client) = started().await;
    let address = plane.address;
    plane.stop().await;
    let again = Fleets::default();
    again.push(FLEET, fleets.newest(FLEET));
    let on = tokio::net::TcpListener::bind(address).await.unwrap();
    let plane = Plane::on(on, &again);
    let mut client = client.reconnect(plane.address, "edge-1", FLEET).await;
    client.subscribe(CDS, &[]);
    client.subscribe(EDS, &FRAUD);
    client.subscribe(LDS, &[]);
    client.subscribe(RDS, &[MAIN]);
    accepted(&again, Revision(1), &[CDS, EDS, LDS, RDS]).await;
    client.quiet().await;

    // A listener that it has and that exists no longer: nobody asks for it by its name.
    let old = "127.0.0.1:9999".to_owned();
    let listeners = client.versions.get_mut(&LDS).unwrap();
    listeners.insert(old.clone(), "1-a1b2c3d4a1b2c3d4".to_owned());
    let gone = "fraud/retired".to_owned();
    let versions = client.versions.get_mut(&EDS).unwrap();
    versions.insert(gone.clone(), "1-a1b2c3d4a1b2c3d4".to_owned());
    *versions.get_mut("fraud/green").unwrap() = "1-a1b2c3d4a1b2c3d4".to_owned();
    let mut client = client.reconnect(plane.address, "edge-1", FLEET).await;
    client.subscribe(CDS, &[]);
    client.subscribe(EDS, &["fraud/blue", "fraud/green", &gone]);
    client.expect(EDS, &["fraud/green"], &[&gone]).await;
    client.subscribe(LDS, &[]);
    client.expect(LDS, &[], &[&old]).await;
}

#[tokio::test]
async fn line_15_what_is_asked_for_again_is_answered_and_what_does_not_exist_is_named() {
    let (_fleets, _plane, mut client) = started().await;
    for _ in 0..2 {
        client.subscribe(EDS, &["fraud/blue", "nowhere"]);
        client.expect(EDS, &["fraud/blue"], &["nowhere"]).await;
        client.ack(EDS);
    }
}

#[tokio::test]
async fn line_16_a_name_given_up_beside_a_star_is_told_again() {
    let (_fleets, _plane, mut client) = started().await;
    client.unsubscribe(LDS, &["never"]);
    client.quiet().await;
    client.subscribe(LDS, &["nowhere"]);
    client.expect(LDS, &[], &["nowhere"]).await;
    client.ack(LDS);
    client.unsubscribe(LDS, &["nowhere"]);
    client.expect(LDS, &[], &["nowhere"]).await;
}

#[tokio::test]
async fn line_17_a_subscription_counts_on_a_stale_nonce_and_on_a_rejection() {
    let (fleets, _plane, mut client) = started().await;
    client.change(RDS, &["nowhere"], &[], "9999");
    client.expect(RDS, &[], &["nowhere"]).await;
    client.ack(RDS);
    let bad = fleets.change(FLEET, fraud(Colour::Green)).revision;
    let refused = client.expect(RDS, &[MAIN], &[]).await;
    client.say(DeltaDiscoveryRequest {
        type_url: RDS.url().to_owned(),
        response_nonce: refused.nonce,
        error_detail: Some(RpcStatus {
            code: 13,
            message: "no".to_owned(),
            details: Vec::new(),
        }),
        resource_names_subscribe: vec!["elsewhere".to_owned()],
        ..DeltaDiscoveryRequest::default()
    });
    client.expect(RDS, &[], &["elsewhere"]).await;
    assert_eq!(fleets.ledger(FLEET).proof(&routes_of(bad)).nacked, 1);
}

#[tokio::test]
async fn line_17_an_ack_of_a_newer_response_does_not_heal_the_rejection_of_an_older() {
    let (fleets, _plane, mut client) = started().await;
    fleets.change(FLEET, elsewhere);
    client.expect(CDS, &RISK, &[]).await;
    client.ack(CDS);
    client.subscribe(EDS, &RISK);
    client.expect(LDS, &[SECOND], &[]).await;
    client.ack(LDS);
    client.expect(EDS, &RISK, &[]).await;
    client.ack(EDS);
    client.subscribe(RDS, &[SECOND]);
    client.expect(RDS, &[SECOND], &[]).await;
    client.ack(RDS);
    let bad = fleets.change(FLEET, fraud(Colour::Green)).revision;
    let older = client.expect(RDS, &[MAIN], &[]).await;
    let listener = json!({ "listener": { "address": "127.0.0.1", "port": 10001 } });
    let newest = fleets.change(FLEET, put("risk", listener, Colour::Green));
    client.expect(RDS, &[SECOND], &[]).await;
    client.ack(RDS);
    client.answer(RDS, &older.nonce, Some("no"));
    client.quiet().await;
    let ledger = fleets.ledger(FLEET);
    assert_eq!(ledger.proof(&routes_of(bad)).nacked, 1);
    assert_eq!(ledger.proof(&routes_of(newest.revision)).acked, 0);
    let healed = fleets.change(FLEET, fraud(Colour::Blue)).revision;
    accepted(&fleets, healed, &[RDS]).await;
}

#[tokio::test]
async fn line_18_only_what_was_told_is_taken_away() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = DeltaClient::connect(plane.address, "edge-1", FLEET).await;
    for type_url in [CDS, EDS] {
        client.subscribe(type_url, &["fraud/blue"]);
        client.expect(type_url, &["fraud/blue"], &[]).await;
        client.ack(type_url);
    }
    fleets.change(FLEET, without("fraud"));
    client.expect(CDS, &[], &["fraud/blue"]).await;
    client.ack(CDS);
    client.expect(EDS, &[], &["fraud/blue"]).await;
    client.ack(EDS);
    client.quiet().await;
}
