//! Answers: nonces, ACKs, NACKs, and what of them is known afterwards.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use bluegreen::snapshot::ServiceInput;
use envoy_types::pb::envoy::admin::v3::ClientResourceStatus::{Acked, Nacked, Requested};

use super::{client_status::of_client, *};

/// Where nobody listens either.
const ELSEWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9009));

/// Service `fraud`, to be changed.
fn fraud_at(input: &mut Input) -> &mut ServiceInput {
    let fraud = input.services.get_mut(&Name::parse("fraud").unwrap());
    Arc::make_mut(fraud.unwrap())
}

in_both_modes!(
    line_06_every_response_has_a_nonce_of_its_own_and_an_unknown_one_accepts_nothing,
    line_07_a_rejection_is_reported_and_its_response_not_repeated,
    line_07_a_type_goes_on_while_another_is_rejected,
    line_08_of_a_rejected_response_the_good_part_counts_and_the_bad_one_is_left_out,
    line_11_an_ack_with_more_names_is_both,
    line_36_in_sync_is_what_was_accepted_and_says_nothing_of_hosts,
);

async fn line_06_every_response_has_a_nonce_of_its_own_and_an_unknown_one_accepts_nothing(
    mode: Mode,
) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    let mut nonces = Vec::new();
    for (type_url, names, told) in [
        (CDS, &[][..], &FRAUD[..]),
        (EDS, &FRAUD, &FRAUD),
        (LDS, &[], &[MAIN]),
        (RDS, &[MAIN], &[MAIN]),
    ] {
        client.ask(type_url, names);
        nonces.push(client.expect(type_url, told).await.nonce);
        client.ack(type_url);
    }
    let old = nonces[3].clone();
    let switch = fleets.change(FLEET, fraud(Colour::Green)).revision;
    nonces.push(client.expect(RDS, &[MAIN]).await.nonce);
    let all: std::collections::BTreeSet<&String> = nonces.iter().collect();
    assert!(
        all.len() == 5 && !all.contains(&String::new()),
        "{nonces:?}"
    );
    for nonce in [&*old, "99", "x", "0"] {
        client.answer(RDS, nonce);
        client.quiet().await;
        let proof = fleets.ledger(FLEET).proof(&routes_of(switch));
        assert_eq!((proof.acked, proof.pending), (0, 1), "{nonce}");
    }
    client.ack(RDS);
    accepted(&fleets, switch, &[RDS]).await;
}

async fn line_07_a_rejection_is_reported_and_its_response_not_repeated(mode: Mode) {
    let (fleets, _plane, mut client) = started(mode).await;
    let bad = fleets.change(FLEET, fraud(Colour::Green)).revision;
    client.expect(RDS, &[MAIN]).await;
    client.nack(RDS, "no such thing");
    client.quiet().await;
    let proof = fleets.ledger(FLEET).proof(&routes_of(bad));
    assert_eq!((proof.nacked, proof.total), (1, 1));
    // The revision that takes it back is what the proxy has: nothing to send, and it counts as accepted.
    let back = fleets.change(FLEET, fraud(Colour::Blue)).revision;
    accepted(&fleets, back, &[RDS]).await;
    client.quiet().await;
}

async fn line_07_a_type_goes_on_while_another_is_rejected(mode: Mode) {
    let (fleets, _plane, mut client) = started(mode).await;
    fleets.change(FLEET, |input| fraud_at(input).green = vec![ELSEWHERE]);
    client.expect(EDS, &["fraud/green"]).await;
    client.nack(EDS, "no such place");
    let switch = fleets.change(FLEET, fraud(Colour::Green)).revision;
    client.expect(EDS, &["fraud/green"]).await;
    client.expect(RDS, &[MAIN]).await;
    client.ack(RDS);
    accepted(&fleets, switch, &[RDS]).await;
}

async fn line_08_of_a_rejected_response_the_good_part_counts_and_the_bad_one_is_left_out(
    mode: Mode,
) {
    let (fleets, plane, mut client) = started(mode).await;
    let bad = fleets.change(FLEET, risk).revision;
    client.expect(CDS, &news(mode, &FRAUD, &RISK)).await;
    client.nack(CDS, "Error adding/updating cluster(s) risk/blue: nonsense");
    let clusters = Requirement::new(bad, vec![CDS]);
    let nacked = |ledger: &Ledger| ledger.proof(&clusters).nacked == 1;
    fleets.until(FLEET, "the rejection", nacked).await;
    let status = of_client(plane.address, CDS).await;
    let told: Vec<_> = status
        .iter()
        .map(|(name, state)| (&**name, *state))
        .collect();
    let expected = ALL.map(|name| (name, if name == "risk/blue" { Nacked } else { Acked }));
    assert_eq!(told, expected);
    // What comes next does not hold it, and what it holds is accepted.
    let slower = json!({ "cluster": { "connectTimeout": "2s" } });
    fleets.change(FLEET, fraud_with(slower, Colour::Blue));
    let whole = ["fraud/blue", "fraud/green", "risk/green"];
    let next = match mode {
        Mode::Sotw => &whole[..],
        Mode::Delta => &FRAUD,
    };
    client.expect(CDS, next).await;
    client.expect(EDS, &FRAUD).await;
    client.ack(CDS);
    client.quiet().await;
    let after = of_client(plane.address, CDS).await;
    assert_eq!(after, status);
}

async fn line_11_an_ack_with_more_names_is_both(mode: Mode) {
    let (fleets, plane, mut client) = started(mode).await;
    fleets.change(FLEET, risk);
    client.expect(CDS, &news(mode, &FRAUD, &RISK)).await;
    // New endpoints in an old cluster.
    fleets.change(FLEET, |input| fraud_at(input).green = vec![ELSEWHERE]);
    client.expect(EDS, &["fraud/green"]).await;
    client.ack_and_ask(EDS, &RISK);
    client.expect(EDS, &RISK).await;
    let status = of_client(plane.address, EDS).await;
    let told: Vec<_> = status
        .iter()
        .map(|(name, state)| (&**name, *state))
        .collect();
    let expected = ALL.map(|name| {
        (
            name,
            if RISK.contains(&name) {
                Requested
            } else {
                Acked
            },
        )
    });
    assert_eq!(told, expected);
}

async fn line_36_in_sync_is_what_was_accepted_and_says_nothing_of_hosts(mode: Mode) {
    let (fleets, plane, mut client) = started(mode).await;
    // Nobody listens at any address of the service, and now it has none at all.
    let empty = fleets.change(FLEET, |input| fraud_at(input).blue = vec![]);
    client.expect(EDS, &["fraud/blue"]).await;
    client.quiet().await;
    let endpoints = Requirement::new(empty.revision, vec![EDS]);
    let proof = fleets.ledger(FLEET).proof(&endpoints);
    assert_eq!((proof.acked, proof.pending), (0, 1), "it has not answered");
    client.ack(EDS);
    accepted(&fleets, empty.revision, &[CDS, EDS, LDS, RDS]).await;
    let status = of_client(plane.address, EDS).await;
    assert!(
        status.iter().all(|(_, state)| *state == Acked),
        "{status:?}"
    );
}
