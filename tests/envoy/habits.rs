//! Envoy's habits that a release must know, as long as they are so: a new Envoy that has others is noticed here.

use crate::{
    fixtures::{Backends, Flip, service},
    support::{bidi::Bidi, http, world::World},
};

/// Requests that are made where one would show it too: chance must not hide it.
const REQUESTS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn line_25_open_streams_stay_on_the_old_environment_and_new_ones_go_to_the_new() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let grpc = "  cluster: { protocol: grpc }";
    let document = service("fraud-model", "/", target, &backends, grpc);
    world.apply(&document, &[]).await.ok();
    world.fleet(1).await;

    let mut old = Bidi::open(target, "/").await.expect("a stream");
    assert_eq!(old.label(), "blue");
    Flip::run(&world, "green", &["switch", "fraud-model"]).await;
    old.echo(b"still here").await.expect("an open stream");
    let mut new = Bidi::open(target, "/").await.expect("a stream");
    assert_eq!(new.label(), "green");
    Flip::run(&world, "blue", &["rollback", "fraud-model"]).await;
    new.echo(b"and here").await.expect("an open stream");
    for stream in [old, new] {
        stream.finish().await.expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn line_26_retries_stay_within_the_environment_that_was_chosen_at_first() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let document = service("fraud-model", "/", target, &backends, "").replace(
        "match: { prefix: / }",
        "match: { prefix: / }, retry: { on: [connect-failure, 5xx], attempts: 3 }",
    );
    assert!(document.contains("attempts: 3"));
    world.apply(&document, &[]).await.ok();
    world.fleet(1).await;
    let Backends { blue, green } = backends;
    for backend in blue {
        backend.stop().await;
    }
    for _ in 0..REQUESTS {
        let (status, _) = http::get(target, "/score").await.expect("an answer");
        assert_eq!(status, 503);
    }
    let tried = world
        .counter("^cluster.fraud-model/blue.upstream_rq_retry$")
        .await;
    assert_eq!(tried, 3 * REQUESTS as u64);
    for backend in green {
        assert_eq!(backend.requests(), 0);
    }
}
