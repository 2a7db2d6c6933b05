//! Switches and rollbacks under load: nothing is lost, and what `switch` proves is true.

use std::time::Duration;

use crate::{
    fixtures::{Backends, Flip, all_answered, load, no_trouble, proven_after, service, set},
    support::{
        bidi::Bidi,
        load::{Protocol, Shot},
        world::World,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_in_a_hundred_switches_and_rollbacks() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let grpc = "  cluster: { protocol: grpc }";
    let documents = [
        service("fraud-model", "/", target, &backends, ""),
        service("explain", "/explain", target, &backends, grpc),
    ];
    world.apply(&documents.join("\n"), &[]).await.ok();
    world.fleet(3).await;

    let body = "x".repeat(20_000);
    let mixed = vec![Shot::get("/score"), Shot::post("/score", body).echoed()];
    let short = load(target, Protocol::Http1, 200, mixed.clone());
    let multiplexed = load(target, Protocol::Http2, 50, mixed);
    let slow = load(target, Protocol::Http1, 4, vec![Shot::get("/delay/3000")]);
    let mut stream = Bidi::open(target, "/explain").await.expect("a stream");
    let old_side = stream.label().to_owned();

    let green = backends.green[0].addr().to_string();
    let mut flipped = Vec::new();
    // As many flips as the promise is shown with; `make soak` asks for more.
    for round in 0..set("BLUEGREEN_TEST_FLIPS", 100) / 6 {
        // A release that is rolled back, then one that goes through and is followed by the next, the other way.
        let version = format!("v2.{round}");
        let deploy = [
            "deploy",
            "fraud-model",
            "--version",
            &version,
            "--endpoint",
            &green,
        ];
        world.json(&deploy).await;
        flipped.push(Flip::run(&world, "green", &["switch", "fraud-model"]).await);
        flipped.push(Flip::run(&world, "blue", &["rollback", "fraud-model"]).await);
        let forced = ["switch", "fraud-model", "--to", "green", "--force"];
        flipped.push(Flip::run(&world, "green", &forced).await);
        let back = ["switch", "fraud-model", "--to", "blue"];
        flipped.push(Flip::run(&world, "blue", &back).await);
        world.json(&["retire", "fraud-model"]).await;
        // The stream stays where it was opened, while its service goes there and back too.
        Flip::run(&world, "green", &["switch", "explain", "--to", "green"]).await;
        stream.echo(b"still here").await.expect("an open stream");
        Flip::run(&world, "blue", &["switch", "explain", "--to", "blue"]).await;
    }
    assert_eq!(stream.label(), old_side);
    stream.finish().await.expect("a clean end");

    for (load, takes) in [(short, 0), (multiplexed, 0), (slow, 3)] {
        let report = load.stop().await;
        all_answered(&report);
        proven_after(Duration::from_secs(takes), &report, &flipped);
    }
    no_trouble(&world).await;
}
