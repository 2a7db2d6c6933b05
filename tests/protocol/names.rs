//! Which resources a client asks for: by name, or all of them.

use super::*;

in_both_modes!(
    line_09_a_newly_subscribed_name_is_sent_although_its_content_is_old,
    line_10_an_empty_first_list_is_everything_and_stays_so,
    line_10_a_star_stands_beside_names_and_nothing_is_left_without_both,
);

async fn line_09_a_newly_subscribed_name_is_sent_although_its_content_is_old(mode: Mode) {
    let (_fleets, _plane, mut client) = started(mode).await;
    client.ask(EDS, &["fraud/blue"]);
    client.quiet().await;
    client.ask(EDS, &FRAUD);
    client.expect(EDS, &["fraud/green"]).await;
    client.ack(EDS);
    client.quiet().await;
}

async fn line_10_an_empty_first_list_is_everything_and_stays_so(mode: Mode) {
    let (fleets, _plane, mut client) = started(mode).await;
    fleets.change(FLEET, risk);
    client.expect(CDS, &news(mode, &FRAUD, &RISK)).await;
    client.ack(CDS);
    client.expect(RDS, &[MAIN]).await;
    client.ack(RDS);
    // Every answer has repeated the empty list.
    let more = put("search", json!({ "hosts": ["search.test"] }), Colour::Blue);
    fleets.change(FLEET, more);
    let search = ["search/blue", "search/green"];
    client.expect(CDS, &news(mode, &ALL, &search)).await;
}

async fn line_10_a_star_stands_beside_names_and_nothing_is_left_without_both(mode: Mode) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = Client::connect(mode, plane.address, "edge-1", FLEET).await;
    client.ask(CDS, &["*", "fraud/blue"]);
    client.expect(CDS, &FRAUD).await;
    client.ack(CDS);
    client.ask(CDS, &["fraud/blue"]);
    // State of the world deletes by a list what is no longer asked for; in delta the client does so by itself.
    if mode == Mode::Sotw {
        client.expect(CDS, &["fraud/blue"]).await;
        client.ack(CDS);
    }
    client.quiet().await;
    fleets.change(FLEET, risk);
    client.quiet().await;
    client.ask(CDS, &[]);
    client.quiet().await;
    let slower = json!({ "cluster": { "connectTimeout": "2s" } });
    fleets.change(FLEET, fraud_with(slower, Colour::Blue));
    client.quiet().await;
    let views = fleets.ledger(FLEET).proxies(&BTreeMap::new());
    let asks = views[0].types.iter().any(|view| view.type_url == CDS);
    assert!(!asks, "{views:?}");
}
