//! What a proxy shows of an earlier stream, to a server that was started anew.

use super::*;

in_both_modes!(
    line_12_a_reconnect_to_a_restarted_server_by_version_brings_nothing,
    line_12_a_switch_while_the_server_was_away_goes_out_at_once,
    line_12_with_clusters_that_are_outdated_too_it_waits_for_their_ack_only,
    line_12_a_restarted_server_gives_no_other_content_the_version_of_the_first,
    line_12_a_proxy_of_a_newer_revision_gets_nothing_and_is_an_alarm,
);

fn ask_for_all(client: &mut Client) {
    client.ask(CDS, &[]);
    client.ask(EDS, &FRAUD);
    client.ask(LDS, &[]);
    client.ask(RDS, &[MAIN]);
}

async fn line_12_a_reconnect_to_a_restarted_server_by_version_brings_nothing(mode: Mode) {
    let (fleets, plane, mut client) = started(mode).await;
    client.quiet().await;
    let (fleets, _plane, mut client) = restarted(plane, client, fleets.newest(FLEET)).await;
    ask_for_all(&mut client);
    accepted(&fleets, Revision(1), &[CDS, EDS, LDS, RDS]).await;
    client.quiet().await;
}

async fn line_12_a_switch_while_the_server_was_away_goes_out_at_once(mode: Mode) {
    let (fleets, plane, client) = started(mode).await;
    fleets.change(FLEET, fraud(Colour::Green));
    let (_fleets, _plane, mut client) = restarted(plane, client, fleets.newest(FLEET)).await;
    ask_for_all(&mut client);
    client.expect(RDS, &[MAIN]).await;
}

async fn line_12_with_clusters_that_are_outdated_too_it_waits_for_their_ack_only(mode: Mode) {
    let (fleets, plane, client) = started(mode).await;
    fleets.change(FLEET, fraud(Colour::Green));
    fleets.change(FLEET, risk);
    let (_fleets, _plane, mut client) = restarted(plane, client, fleets.newest(FLEET)).await;
    client.ask(CDS, &[]);
    // A version of all of them says not which of them the client waits for.
    let (clusters, endpoints) = match mode {
        Mode::Sotw => (&ALL[..], &FRAUD[..]),
        Mode::Delta => (&RISK[..], &[][..]),
    };
    client.expect(CDS, clusters).await;
    client.ask(EDS, &FRAUD);
    if !endpoints.is_empty() {
        client.expect(EDS, endpoints).await;
    }
    client.ask(RDS, &[MAIN]);
    client.quiet().await;
    client.ack(CDS);
    client.expect(RDS, &[MAIN]).await;
}

async fn line_12_a_restarted_server_gives_no_other_content_the_version_of_the_first(mode: Mode) {
    let (fleets, plane, mut client) = started(mode).await;
    let before = fleets.newest(FLEET);
    fleets.change(FLEET, fraud(Colour::Green));
    let first = client.expect(RDS, &[MAIN]).await;
    client.ack(RDS);
    client.quiet().await;
    // From a copy that was made before the switch, the same revision is something else.
    let other = Fleets::default();
    other.push(FLEET, before);
    other.change(
        FLEET,
        fraud_with(json!({ "hosts": ["fraud.test"] }), Colour::Blue),
    );
    let other = other.newest(FLEET);
    assert_eq!(other.revision, fleets.newest(FLEET).revision);
    let (_fleets, _plane, mut client) = restarted(plane, client, other).await;
    ask_for_all(&mut client);
    let second = client.expect(RDS, &[MAIN]).await;
    assert_ne!(first.content(MAIN), second.content(MAIN));
    assert_ne!(first.version, second.version);
}

async fn line_12_a_proxy_of_a_newer_revision_gets_nothing_and_is_an_alarm(mode: Mode) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    client.shows(CDS, 50, "fraud/blue");
    ask_for_all(&mut client);
    let alarm = [("edge-1".into(), Revision(50))];
    fleets
        .until(FLEET, "an alarm", |ledger| ledger.newer() == alarm)
        .await;
    fleets.change(FLEET, fraud(Colour::Green));
    // Not even an empty layer is sent; but it is listed, and an operator may let it be served.
    client.ask(TypeUrl::Runtime, &["bluegreen"]);
    let asked = |ledger: &Ledger| ledger.proxies(&BTreeMap::new())[0].types.len() == 5;
    fleets.until(FLEET, "all was read", asked).await;
    let proof = fleets.ledger(FLEET).proof(&routes_of(Revision(2)));
    assert_eq!((proof.acked, proof.pending), (0, 1));
    let states = fleets.ledger(FLEET).proxies(&BTreeMap::new());
    let accepted = states[0].types.iter().map(|view| view.accepted);
    assert!(accepted.max() == Some(Revision(0)), "{states:?}");
}
