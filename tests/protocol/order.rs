//! In which order a proxy gets what, and what waits for what.

use std::time::Duration;

use bluegreen::xds::session::Options;

use super::*;

/// Service `search`, on the listener of the others.
fn search(input: &mut Input) {
    put("search", json!({ "hosts": ["search.test"] }), Colour::Blue)(input);
}

const SEARCH: [&str; 2] = ["search/blue", "search/green"];

in_both_modes!(
    line_19_a_new_service_arrives_in_order_and_its_route_after_its_clusters,
    line_20_endpoints_go_out_before_the_ack_of_their_clusters_and_nothing_else_waits_for_it,
    line_21_endpoints_are_sent_again_after_their_cluster,
    line_21_endpoints_are_sent_again_where_a_reconnect_brought_their_cluster,
    line_22_a_switch_is_one_response_and_its_proof_the_time_of_the_ack,
    line_25_a_cluster_stays_for_as_long_as_requests_to_it_may_be_open,
    line_19_and_25_a_cluster_goes_after_the_last_route_to_it_was_given_up,
);

async fn line_19_a_new_service_arrives_in_order_and_its_route_after_its_clusters(mode: Mode) {
    let (fleets, _plane, mut client) = started(mode).await;
    fleets.change(FLEET, risk);
    client.expect(CDS, &news(mode, &FRAUD, &RISK)).await;
    client.ask(EDS, &ALL);
    client.expect(EDS, &RISK).await;
    client.ack(EDS);
    client.quiet().await;
    client.ack(CDS);
    client.expect(RDS, &[MAIN]).await;
}

async fn line_20_endpoints_go_out_before_the_ack_of_their_clusters_and_nothing_else_waits_for_it(
    mode: Mode,
) {
    let (fleets, _plane, mut client) = started(mode).await;
    fleets.change(FLEET, risk);
    client.expect(CDS, &news(mode, &FRAUD, &RISK)).await;
    // An Envoy withholds its answer until these are there.
    client.ask(EDS, &ALL);
    client.expect(EDS, &RISK).await;
    client.ack(EDS);
    fleets.change(FLEET, search);
    client.expect(CDS, &news(mode, &ALL, &SEARCH)).await;
    let switch = fleets.change(FLEET, fraud(Colour::Green)).revision;
    client.expect(RDS, &[MAIN]).await;
    client.ack(RDS);
    let weights = Requirement::weights(switch);
    let has_them = |ledger: &Ledger| ledger.proof(&weights).is_complete();
    fleets
        .until(FLEET, "the switch is accepted", has_them)
        .await;
}

/// `fraud` with clusters that are set in another way.
fn slower() -> impl FnOnce(&mut Input) {
    let slower = json!({ "cluster": { "connectTimeout": "2s" } });
    fraud_with(slower, Colour::Blue)
}

async fn line_21_endpoints_are_sent_again_after_their_cluster(mode: Mode) {
    let (fleets, _plane, mut client) = started(mode).await;
    fleets.change(FLEET, slower());
    client.expect(CDS, &FRAUD).await;
    let again = client.expect(EDS, &FRAUD).await;
    let newest = fleets.newest(FLEET);
    for name in FRAUD {
        let endpoints = newest.resource(EDS, name).unwrap();
        assert_eq!(again.content(name), endpoints.bytes);
    }
    let unchanged = newest.get(EDS).unwrap().changed_in;
    assert_eq!(unchanged, Revision(1), "the client had them");
}

async fn line_21_endpoints_are_sent_again_where_a_reconnect_brought_their_cluster(mode: Mode) {
    let (fleets, plane, client) = started(mode).await;
    fleets.change(FLEET, slower());
    let (_fleets, _plane, mut client) = restarted(plane, client, fleets.newest(FLEET)).await;
    client.ask(CDS, &[]);
    client.expect(CDS, &FRAUD).await;
    client.ask(EDS, &FRAUD);
    client.expect(EDS, &FRAUD).await;
}

async fn line_22_a_switch_is_one_response_and_its_proof_the_time_of_the_ack(mode: Mode) {
    let (fleets, _plane, mut client) = started(mode).await;
    client.quiet().await;
    accepted(&fleets, Revision(1), &[CDS, EDS, LDS, RDS]).await;
    let switch = fleets.change(FLEET, fraud(Colour::Green)).revision;
    client.expect(RDS, &[MAIN]).await;
    assert_eq!(fleets.ledger(FLEET).proof(&routes_of(switch)).pending, 1);
    client.ack(RDS);
    accepted(&fleets, switch, &[CDS, EDS, LDS, RDS]).await;
    let proof = fleets.ledger(FLEET).proof(&routes_of(switch));
    assert!(proof.first_ack.is_some() && proof.first_ack == proof.last_ack);
    client.quiet().await;
}

/// A server with services `fraud` and `risk`, whose requests take no longer than that, and a client that has all of it.
async fn with_risk(mode: Mode, fleets: Fleets, timeout: &str) -> (Fleets, Plane, Client) {
    let (fleets, plane, mut client) = started_with(mode, fleets).await;
    let risk = json!({
        "hosts": ["risk.test"],
        "routes": [{ "match": { "prefix": "/" }, "timeout": timeout }],
    });
    fleets.change(FLEET, put("risk", risk, Colour::Blue));
    client.expect(CDS, &news(mode, &FRAUD, &RISK)).await;
    client.ask(EDS, &ALL);
    client.expect(EDS, &RISK).await;
    client.ack(EDS);
    client.ack(CDS);
    client.expect(RDS, &[MAIN]).await;
    client.ack(RDS);
    (fleets, plane, client)
}

async fn line_25_a_cluster_stays_for_as_long_as_requests_to_it_may_be_open(mode: Mode) {
    let (fleets, _plane, mut client) = with_risk(mode, Fleets::default(), "60s").await;
    let gone = fleets.change(FLEET, without("risk")).revision;
    client.expect(RDS, &[MAIN]).await;
    client.quiet().await;
    client.ack(RDS);
    // What is only kept is no part of the revision.
    accepted(&fleets, gone, &[CDS, EDS, LDS, RDS]).await;
    client.quiet().await;
}

async fn line_19_and_25_a_cluster_goes_after_the_last_route_to_it_was_given_up(mode: Mode) {
    // No request is open for longer.
    let fleets = Fleets::with_options(Options {
        removal_grace: Duration::from_millis(50),
        ..Options::default()
    });
    let (fleets, _plane, mut client) = with_risk(mode, fleets, "50ms").await;
    let gone = fleets.change(FLEET, without("risk")).revision;
    client.expect(RDS, &[MAIN]).await;
    client.ack(RDS);
    client.expect_without(CDS, &RISK, &FRAUD).await;
    client.ack(CDS);
    if mode == Mode::Delta {
        client.expect_without(EDS, &RISK, &[]).await;
        client.ack(EDS);
    }
    accepted(&fleets, gone, &[CDS, EDS, LDS, RDS]).await;
    client.quiet().await;
}
