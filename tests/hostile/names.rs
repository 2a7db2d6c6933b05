//! Requests that name far more than there is. What one stream alone has said must end with it: each test says other names
//! in every round, so that whatever is kept of a round adds up.

use bluegreen::model::TypeUrl;
use bytes::Bytes;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use prost::Message as _;

use crate::{
    plane::{FLEET, Plane},
    spoken::Mode,
    support::xds_client::node,
    wire::framed,
};

/// Names in one request.
const NAMES: usize = 100_000;

/// Runtime layers that do not exist and are answered with empty ones, on one stream.
const LAYERS: usize = 1_000;

/// Bytes of one request that shows what its proxy has, as delta's first one does after a reconnect.
const SHOWN: usize = 20 << 20;

/// Streams, one after the other.
const ROUNDS: usize = 10;

/// Streams before memory counts: what was freed is in the allocator's arena then, which gives little of it back and uses
/// it again. Whatever the server itself kept would add up in the rounds that follow.
const WARM_UP: usize = 4;

/// Names of which nothing exists.
fn nobodys(round: usize) -> Vec<String> {
    let names = (0..NAMES).map(|name| format!("nobody-{round}/name-{name}"));
    names.collect()
}

/// Streams, one after the other, that ask for a hundred thousand load assignments and one that exists.
async fn load_assignments(mode: Mode) {
    let mut plane = Plane::in_one_arena().await;
    let eds = TypeUrl::ClusterLoadAssignment.url();
    for round in 0..ROUNDS {
        if round == WARM_UP {
            plane.settle();
        }
        let mut raw = mode.open(plane.world.xds).await;
        let mut names = nobodys(round);
        names.push("fraud-model/blue".to_owned());
        raw.bytes(mode.ask(Some(node("greedy", FLEET)), eds, names.clone()))
            .await;
        let answer = mode.answer(&mut raw).await;
        assert_eq!((&*answer.type_url, answer.resources), (eds, 1));
        // Delta says what does not exist.
        let absent = if mode == Mode::Delta { NAMES } else { 0 };
        assert_eq!(answer.removed, absent);
        raw.bytes(mode.accept(&answer)).await;
        // Nearly the same once more: in state of the world a list that is a little shorter, in delta a question anew.
        for less in 1..=2 {
            let names = names[less..].to_vec();
            raw.bytes(mode.ask(None, eds, names)).await;
        }
        mode.understood(&mut raw).await;
        drop(raw);
        plane.goes_on().await;
    }
    plane.recovers(64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_names_are_answered_and_forgotten() {
    load_assignments(Mode::Sotw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_names_are_answered_and_forgotten_in_delta() {
    load_assignments(Mode::Delta).await;
}

/// Runtime layers that do not exist are answered at once, so that no Envoy waits for them: in delta all are called gone, in
/// state of the world as many as any Envoy may have are empty ones.
async fn runtime_layers(mode: Mode) {
    let mut plane = Plane::in_one_arena().await;
    let rtds = TypeUrl::Runtime.url();
    for round in 0..ROUNDS {
        if round == WARM_UP {
            plane.settle();
        }
        let mut raw = mode.open(plane.world.xds).await;
        raw.bytes(mode.ask(Some(node("greedy", FLEET)), rtds, nobodys(round)))
            .await;
        let answer = mode.answer(&mut raw).await;
        assert_eq!(answer.type_url, rtds);
        let answered = match mode {
            Mode::Sotw => (LAYERS, 0),
            Mode::Delta => (0, NAMES),
        };
        assert_eq!((answer.resources, answer.removed), answered);
        raw.bytes(mode.accept(&answer)).await;
        drop(raw);
        plane.goes_on().await;
    }
    plane.recovers(64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_runtime_layers_are_answered_and_forgotten() {
    runtime_layers(Mode::Sotw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_runtime_layers_are_answered_and_forgotten_in_delta() {
    runtime_layers(Mode::Delta).await;
}

/// The first request of a type, of a proxy that says to have all this. Asked for are those, or without names everything.
fn showing(round: usize, type_url: TypeUrl, wildcard: bool) -> (Bytes, usize) {
    /// Envoy's longest names have about as many characters.
    const NAME: usize = 100;
    const VERSION: &str = "1-0123456789abcdef";
    let count = SHOWN / (NAME + VERSION.len());
    let names = (0..count).map(|name| {
        let name = format!("shown-{round}/{name}-");
        format!("{name:x<NAME$}")
    });
    let names: Vec<String> = names.collect();
    let versions = names.iter().map(|name| (name.clone(), VERSION.to_owned()));
    let request = DeltaDiscoveryRequest {
        node: Some(node("rich", FLEET)),
        type_url: type_url.url().to_owned(),
        initial_resource_versions: versions.collect(),
        resource_names_subscribe: if wildcard { Vec::new() } else { names },
        ..DeltaDiscoveryRequest::default()
    };
    let request = request.encode_to_vec();
    assert!(request.len() >= SHOWN);
    (framed(&request), count)
}

/// Streams, one after the other, that show twenty megabytes of what they have and nobody knows.
async fn shown(type_url: TypeUrl, wildcard: bool) {
    let mut plane = Plane::in_one_arena().await;
    for round in 0..ROUNDS {
        if round == WARM_UP {
            plane.settle();
        }
        let mut raw = Mode::Delta.open(plane.world.xds).await;
        let (request, count) = showing(round, type_url, wildcard);
        raw.bytes(request).await;
        let answer = Mode::Delta.answer(&mut raw).await;
        assert_eq!(answer.type_url, type_url.url());
        assert_eq!(answer.removed, count);
        raw.bytes(Mode::Delta.accept(&answer)).await;
        Mode::Delta.understood(&mut raw).await;
        drop(raw);
        plane.goes_on().await;
    }
    plane.recovers(128).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_megabytes_of_listeners_that_nobody_knows_are_taken_away_and_forgotten() {
    shown(TypeUrl::Listener, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_megabytes_of_named_routes_that_nobody_knows_are_taken_away_and_forgotten() {
    shown(TypeUrl::RouteConfiguration, false).await;
}
