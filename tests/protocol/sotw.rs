//! What only state of the world has: lists, a version per type, one answer to several responses, silence about what does
//! not exist.

use envoy_types::pb::envoy::service::{
    discovery::v3::{
        DiscoveryRequest, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
    runtime::v3::Runtime,
};
use prost::Message as _;

use super::*;
use crate::support::xds_client::XdsClient;

/// A server with service `fraud`, and a client that has all of it.
async fn started() -> (Fleets, Plane, XdsClient) {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = XdsClient::connect(plane.address, "edge-1", FLEET).await;
    client.start(&FRAUD, MAIN).await;
    (fleets, plane, client)
}

/// A request by hand: the nonce and the version are the test's.
fn request(type_url: TypeUrl, nonce: &str, version: &str, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: type_url.url().to_owned(),
        response_nonce: nonce.to_owned(),
        version_info: version.to_owned(),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DiscoveryRequest::default()
    }
}

#[tokio::test]
async fn line_04_many_streams_share_a_connection() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut ads = AggregatedDiscoveryServiceClient::new(channel(plane.address).await);
    let mut streams = Vec::new();
    for n in 0..500 {
        let first = DiscoveryRequest {
            node: Some(node(&format!("edge-{n}"), FLEET)),
            type_url: CDS.url().to_owned(),
            ..DiscoveryRequest::default()
        };
        let requests =
            futures::StreamExt::chain(tokio_stream::iter([first]), tokio_stream::pending());
        let opened = ads.stream_aggregated_resources(requests);
        let mut stream = tokio::time::timeout(PATIENCE, opened)
            .await
            .unwrap()
            .unwrap()
            .into_inner();
        let answer = tokio::time::timeout(PATIENCE, stream.message())
            .await
            .unwrap();
        assert_eq!(answer.unwrap().unwrap().resources.len(), 2);
        streams.push(stream);
    }
    assert_eq!(
        fleets.ledger(FLEET).proof(&routes_of(Revision(1))).total,
        500
    );
}

#[tokio::test]
async fn line_06_a_request_with_an_old_nonce_changes_no_subscription() {
    let (fleets, _plane, mut client) = started().await;
    fleets.change(FLEET, risk);
    let old = client.expect(CDS, 4).await;
    client.ack(CDS);
    client.expect(RDS, 1).await;
    client.ack(RDS);
    let more = put("search", json!({ "hosts": ["search.test"] }), Colour::Blue);
    fleets.change(FLEET, more);
    client.expect(CDS, 6).await;
    // Said before that list arrived.
    client.say(request(CDS, &old.nonce, &old.version_info, &["fraud/blue"]));
    client.quiet().await;
    client.ack(CDS);
    client.expect(RDS, 1).await;
    let slower = json!({ "cluster": { "connectTimeout": "2s" } });
    fleets.change(FLEET, fraud_with(slower, Colour::Blue));
    client.expect(CDS, 6).await;
}

#[tokio::test]
async fn line_07_one_answer_to_a_bad_response_and_its_fix_is_an_error_and_an_ack() {
    let (fleets, _plane, mut client) = started().await;
    let bad = fleets.change(FLEET, risk).revision;
    client.expect(CDS, 4).await;
    let fix = fleets.change(FLEET, without("risk")).revision;
    let fixed = client.expect(CDS, 2).await;
    // An Envoy answers once for all that it took while a cluster warmed.
    client.versions.insert(CDS, fixed.version_info);
    client.nack(CDS, "Error adding/updating cluster(s) risk/blue: nonsense");
    accepted(&fleets, fix, &[CDS]).await;
    client.quiet().await;
    let counts = fleets.ledger(FLEET).counts();
    assert_eq!(counts.nacks.values().sum::<u64>(), 1, "{counts:?}");
    assert!(bad < fix);
}

#[tokio::test]
async fn line_08_clusters_and_listeners_come_whole_and_endpoints_as_they_change() {
    let (fleets, _plane, mut client) = started().await;
    fleets.change(FLEET, elsewhere);
    client.expect(CDS, 4).await;
    client.expect(LDS, 2).await;
    client.ack(LDS);
    client.subscribe(EDS, &ALL);
    client.expect(EDS, 2).await;
    client.ack(EDS);
    client.ack(CDS);
    client.subscribe(RDS, &[MAIN, SECOND]);
    client.expect(RDS, 1).await;
    client.ack(RDS);
    // What is absent in a list is deleted.
    fleets.change(FLEET, without("risk"));
    client.expect(LDS, 1).await;
}

#[tokio::test]
async fn line_10_an_empty_list_after_names_is_nothing() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let mut client = XdsClient::connect(plane.address, "edge-1", FLEET).await;
    client.subscribe(CDS, &["fraud/blue"]);
    client.expect(CDS, 1).await;
    client.ack(CDS);
    client.subscribe(CDS, &[]);
    client.quiet().await;
    let slower = json!({ "cluster": { "connectTimeout": "2s" } });
    fleets.change(FLEET, fraud_with(slower, Colour::Blue));
    client.quiet().await;
    client.subscribe(CDS, &["*"]);
    client.expect(CDS, 2).await;
}

#[tokio::test]
async fn line_13_what_does_not_exist_is_absent_from_lists_and_otherwise_not_answered() {
    let (fleets, plane, mut client) = started().await;
    let mut other = XdsClient::connect(plane.address, "edge-2", FLEET).await;
    for type_url in [CDS, LDS] {
        other.subscribe(type_url, &["nowhere"]);
        other.expect(type_url, 0).await;
    }
    client.subscribe(RDS, &[MAIN, SECOND]);
    client.subscribe(EDS, &ALL);
    client.quiet().await;
    // Once it does exist, it is.
    fleets.change(FLEET, elsewhere);
    client.expect(CDS, 4).await;
    client.expect(EDS, 2).await;
    client.expect(LDS, 2).await;
    client.ack(CDS);
    client.expect(RDS, 1).await;
}

#[tokio::test]
async fn line_13_a_runtime_layer_that_does_not_exist_is_answered_empty() {
    let (_fleets, _plane, mut client) = started().await;
    client.subscribe(TypeUrl::Runtime, &["somebody-elses"]);
    let answer = client.expect(TypeUrl::Runtime, 1).await;
    let layer = Runtime::decode(&answer.resources[0].value[..]).unwrap();
    assert_eq!((&*layer.name, layer.layer), ("somebody-elses", None));
}
