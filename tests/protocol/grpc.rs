//! Clients that name all that they want, as gRPC does.

use super::*;

/// Service `fraud` for Envoys and for gRPC clients, with that colour live.
fn dialled(live: Colour) -> impl FnOnce(&mut Input) {
    fraud_with(json!({ "client": "grpc" }), live)
}

/// A server with that service, and a gRPC client that has called it: it asks for the cluster with a weight alone.
async fn calling(mode: Mode) -> (Fleets, Plane, Client) {
    let fleets = Fleets::default();
    fleets.change(FLEET, dialled(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = Client::connect(mode, plane.address, "caller-1", FLEET).await;
    for (type_url, name) in [
        (LDS, "fraud"),
        (RDS, "fraud"),
        (CDS, "fraud/blue"),
        (EDS, "fraud/blue"),
    ] {
        client.ask(type_url, &[name]);
        client.expect(type_url, &[name]).await;
        client.ack(type_url);
    }
    (fleets, plane, client)
}

in_both_modes!(
    line_32_a_listener_of_grpc_clients_is_for_those_who_name_it,
    line_33_a_switch_is_followed_by_the_cluster_and_endpoints_it_names_at_once,
);

async fn line_32_a_listener_of_grpc_clients_is_for_those_who_name_it(mode: Mode) {
    let (fleets, plane, mut caller) = calling(mode).await;
    caller.quiet().await;
    let mut envoy = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    envoy.start(&FRAUD, MAIN, MAIN).await;
    envoy.quiet().await;
    let all = Requirement::new(Revision(1), vec![CDS, EDS, LDS, RDS]);
    let both = |ledger: &Ledger| ledger.proof(&all).acked == 2;
    fleets
        .until(FLEET, "both have what is for them", both)
        .await;
}

async fn line_33_a_switch_is_followed_by_the_cluster_and_endpoints_it_names_at_once(mode: Mode) {
    let (fleets, _plane, mut client) = calling(mode).await;
    let switch = fleets.change(FLEET, dialled(Colour::Green)).revision;
    client.expect(RDS, &["fraud"]).await;
    client.ack(RDS);
    // Calls wait until both have come.
    client.ask(CDS, &FRAUD);
    let clusters = match mode {
        Mode::Sotw => &FRAUD[..],
        Mode::Delta => &FRAUD[1..],
    };
    client.expect(CDS, clusters).await;
    client.ask(EDS, &FRAUD);
    client.expect(EDS, &FRAUD[1..]).await;
    client.ack(CDS);
    client.quiet().await;
    let proof = fleets.ledger(FLEET).proof(&routes_of(switch));
    assert_eq!((proof.acked, proof.pending), (0, 1), "it goes on with blue");
    client.ack(EDS);
    accepted(&fleets, switch, &[CDS, EDS, LDS, RDS]).await;
}
