//! Delta ADS over real sockets.

use super::*;
use crate::support::delta_client::DeltaClient;

fn listener(fleets: &Fleets) -> String {
    let newest = fleets.newest(FLEET);
    let listeners = &newest.get(LDS).unwrap().resources;
    listeners.keys().next().unwrap().to_string()
}

/// A server with service `fraud`, and a delta client that has all of it.
async fn started() -> (Fleets, Plane, DeltaClient) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = DeltaClient::connect(plane.address, "edge-1", FLEET).await;
    client
        .start(&FRAUD, &listener(&fleets), &routes(&fleets))
        .await;
    (fleets, plane, client)
}

async fn accepted(fleets: &Fleets, revision: Revision, types: &[TypeUrl]) {
    let all = Requirement::new(revision, types.to_vec());
    let says = |ledger: &bluegreen::fleet::Ledger| ledger.proof(&all).is_complete();
    fleets.until(FLEET, "it has everything", says).await;
}

#[tokio::test]
async fn line_02_delta_is_served_and_a_switch_is_one_route_configuration() {
    let (fleets, _plane, mut client) = started().await;
    client.quiet().await;
    accepted(&fleets, Revision(1), &[CDS, EDS, LDS, RDS]).await;
    let switch = fleets.change(FLEET, fraud(Colour::Green)).revision;
    client.expect(RDS, &[&routes(&fleets)], &[]).await;
    assert_eq!(fleets.ledger(FLEET).proof(&routes_of(switch)).pending, 1);
    client.ack(RDS);
    accepted(&fleets, switch, &[CDS, EDS, LDS, RDS]).await;
    client.quiet().await;
}

#[tokio::test]
async fn line_07_a_rejection_is_reported_and_not_repeated_in_delta() {
    let (fleets, _plane, mut client) = started().await;
    let bad = fleets.change(FLEET, fraud(Colour::Green)).revision;
    client.expect(RDS, &[&routes(&fleets)], &[]).await;
    client.nack(RDS, "no such thing");
    client.quiet().await;
    assert_eq!(fleets.ledger(FLEET).proof(&routes_of(bad)).nacked, 1);
    let back = fleets.change(FLEET, fraud(Colour::Blue)).revision;
    accepted(&fleets, back, &[RDS]).await;
    client.quiet().await;
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
    client.subscribe(RDS, &[&routes(&again)]);
    accepted(&again, Revision(1), &[CDS, EDS, LDS, RDS]).await;
    client.quiet().await;

    let gone = "fraud/retired".to_owned();
    let versions = client.versions.get_mut(&EDS).unwrap();
    versions.insert(gone.clone(), "1-a1b2c3d4a1b2c3d4".to_owned());
    *versions.get_mut("fraud/green").unwrap() = "1-a1b2c3d4a1b2c3d4".to_owned();
    let mut client = client.reconnect(plane.address, "edge-1", FLEET).await;
    client.subscribe(CDS, &[]);
    client.subscribe(EDS, &["fraud/blue", "fraud/green", &gone]);
    client.expect(EDS, &["fraud/green"], &[&gone]).await;
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
async fn line_17_a_subscription_on_a_rejection_counts() {
    let (fleets, _plane, mut client) = started().await;
    fleets.change(FLEET, fraud(Colour::Green));
    let bad = client.expect(RDS, &[&routes(&fleets)], &[]).await;
    client.answer(RDS, "9999", None);
    client.answer(RDS, &bad.nonce, Some("no"));
    client.subscribe(RDS, &["nowhere"]);
    client.expect(RDS, &[], &["nowhere"]).await;
}

#[tokio::test]
async fn line_18_and_19_a_removed_service_goes_in_order_and_only_where_it_was_told() {
    let (fleets, _plane, mut client) = started().await;
    fleets.change(FLEET, risk);
    let more = ["risk/blue", "risk/green"];
    client.expect(CDS, &more, &[]).await;
    client.subscribe(EDS, &more);
    client.expect(EDS, &more, &[]).await;
    client.ack(EDS);
    client.quiet().await;
    client.ack(CDS);
    client.expect(RDS, &[&routes(&fleets)], &[]).await;
    client.ack(RDS);
    // Its clusters stay while requests may be open: the routes go alone.
    let gone = fleets.change(FLEET, |input| {
        input.services.remove(&Name::parse("risk").unwrap());
    });
    client.expect(RDS, &[&routes(&fleets)], &[]).await;
    client.ack(RDS);
    accepted(&fleets, gone.revision, &[CDS, EDS, LDS, RDS]).await;
    client.quiet().await;
}
