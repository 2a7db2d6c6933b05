//! The end of the old environment: what is still open on it is waited for, and cut off only where somebody insists.

use std::time::Duration;

use crate::{
    fixtures::{Backends, PROXIES, service, world_with},
    rollout::{self, begin, reached},
    support::{bidi::Bidi, waiting, world::World},
    versions,
};

/// Given up as soon as the switch is proven.
const SHORT: &str = "  cluster: { protocol: grpc }
  release: { promotion: automatic, standby: 1s, acceptShortStandby: true }
";

/// The same without a declared release.
const SERVICE_BY_HAND: &str = "  cluster: { protocol: grpc }\n";

/// Long enough for a report of the proxies.
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// The same, kept for as long as nobody gives it up.
const KEPT: &str = "  cluster: { protocol: grpc }
  release: { promotion: automatic, standby: 1h }
";

/// A stream is open on blue, and green has all of the traffic.
async fn switched(backends: &Backends, spec: &str) -> (World, Bidi) {
    let settings = [rollout::REPORTS, ("BLUEGREEN_DRAIN_TIME", "3s")];
    let world = world_with(backends, spec, &settings).await;
    let stream = Bidi::open(world.listener.addr(), "/")
        .await
        .expect("a stream");
    assert_eq!(stream.label(), "blue");
    // Envoy counts a cluster from the first report after the one during which it came.
    waiting::until(
        "reported",
        async || open_on_blue(&world).await,
        |open| *open == 1,
    )
    .await;
    begin(&world, &[]).await;
    reached(&world, "Standby").await;
    (world, stream)
}

/// Streams that the proxies report as open on blue.
async fn open_on_blue(world: &World) -> u64 {
    let stats = world.json(&["fleet", "--stats", "payments"]).await;
    let clusters = stats["clusters"].as_array().cloned().unwrap_or_default();
    let mut blue = clusters
        .iter()
        .filter(|one| one["cluster"] == "fraud-model/blue");
    let blue = blue.next().cloned().unwrap_or_default();
    blue["inProgress"].as_u64().unwrap_or_default()
}

/// Envoys whose EDS still has endpoints for blue.
async fn endpoints_of_blue(world: &World) -> u64 {
    world
        .counter("^cluster.fraud-model/blue.membership_total$")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_whose_time_is_over_is_retired_once_its_last_stream_has_ended() {
    if !versions::is_at_least(versions::REPORTS_WHAT_STAYS_OPEN).await {
        return;
    }
    let backends = Backends::start().await;
    let (world, mut stream) = switched(&backends, SHORT).await;
    reached(&world, "Retiring").await;
    // A new stream is answered by the new version, the old one goes on where it is.
    let mut new = Bidi::open(world.listener.addr(), "/")
        .await
        .expect("a stream");
    assert_eq!(new.label(), "green");
    stream.echo(b"still here").await.expect("an open stream");
    let endpoints = 2 * PROXIES as u64;
    assert_eq!(endpoints_of_blue(&world).await, endpoints);
    let status = world.json(&["status", "fraud-model"]).await;
    assert_eq!(status["release"]["phase"], "Retiring", "{status}");

    stream.finish().await.expect("a clean end");
    reached(&world, "Completed").await;
    let gone = async || endpoints_of_blue(&world).await;
    waiting::until("no endpoints of blue", gone, |left| *left == 0).await;
    new.echo(b"and here").await.expect("an open stream");
    new.finish().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn retire_waits_for_an_open_stream_up_to_the_drain_time_and_then_asks_for_force() {
    if !versions::is_at_least(versions::REPORTS_WHAT_STAYS_OPEN).await {
        return;
    }
    let backends = Backends::start().await;
    let (world, mut stream) = switched(&backends, KEPT).await;
    // The standby's hour is not over: that is said at once, nobody waits for the stream first.
    let early = world.cli(&["retire", "fraud-model", "-o", "json"]).await;
    assert_eq!(early.json()["reason"], "standby-not-over", "{early:?}");
    assert!(!early.stderr.contains("waiting for 1 request"), "{early:?}");
    stream.echo(b"still here").await.expect("an open stream");

    // A release that is carried out by hand has no time that ends its standby.
    world.json(&["rollback", "fraud-model"]).await;
    let by_hand = SERVICE_BY_HAND;
    let document = service(
        "fraud-model",
        "/",
        world.listener.addr(),
        &backends,
        by_hand,
    );
    world.apply(&document, &[]).await.ok();
    world.json(&["switch", "fraud-model", "--force"]).await;
    let late = world.cli(&["retire", "fraud-model", "-o", "json"]).await;
    let refused = late.json();
    assert_eq!(refused["reason"], "still-open", "{late:?}");
    let message = refused["message"].as_str().expect("a message");
    assert!(
        message.contains("1 request or stream is still open"),
        "{message}"
    );
    let remedy = refused["remedy"].as_str().expect("a remedy");
    assert!(
        remedy.contains("bluegreen retire fraud-model --force"),
        "{remedy}"
    );
    assert!(late.stderr.contains("waiting for 1 request"), "{late:?}");
    let waited = late.returned - late.started;
    assert!(waited >= DRAIN_TIME, "it gave up after {waited:?}");
    stream.echo(b"and still").await.expect("an open stream");

    let insists = ["retire", "fraud-model", "--force"];
    world.json(&insists).await;
    let gone = async || endpoints_of_blue(&world).await;
    waiting::until("no endpoints of blue", gone, |left| *left == 0).await;
}
