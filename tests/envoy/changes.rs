//! Services come, change and go beside one that has traffic, and one that never gets ready holds up nobody.

use std::time::Instant;

use crate::{
    fixtures::{
        Backends, Cold, Flip, WARMING, all_answered, load, no_trouble, only, proven, service, world,
    },
    support::{
        backend::Backend,
        load::{Protocol, Shot},
        waiting,
    },
};

/// As many rounds of adding, changing and removing.
const ROUNDS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn services_come_change_and_go_under_load() {
    let steady = Backends::start().await;
    let guest = Backends {
        blue: [Backend::start("guest").await, Backend::start("guest").await],
        green: [Backend::start("-").await, Backend::start("-").await],
    };
    let world = world(&steady, "").await;
    let target = world.listener.addr();
    // Whatever /guest is routed to at that moment, somebody answers: with the guest's route gone, the steady one.
    let steady_load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);
    let slow = load(target, Protocol::Http1, 5, vec![Shot::get("/guest/delay")]);
    let guest_load = load(
        target,
        Protocol::Http2,
        100,
        vec![Shot::get("/guest/score")],
    );

    let plain = service("guest", "/guest", target, &guest, "");
    let change = |settings: &str| {
        let settings = format!("  cluster: {{ {settings} }}");
        service("guest", "/guest", target, &guest, &settings)
    };
    let mut there: Vec<(Instant, Instant)> = Vec::new();
    for round in 0..ROUNDS {
        // Every third round waits, so that it is known what is in force; the others don't even wait for the ACKs.
        let wait: &[&str] = if round % 3 == 0 {
            &["--wait", "30s"]
        } else {
            &[]
        };
        let added = world.apply(&plain, wait).await.ok();
        let changed = change(&format!("connectTimeout: {}ms", 300 + round));
        let changed = world.apply(&changed, wait).await.ok();
        let checked = "healthCheck: { path: /healthz, interval: 1s, timeout: 1s }";
        world.apply(&change(checked), wait).await.ok();
        let delete = ["delete", "service", "guest", "--yes"];
        let deleted = world.cli(&[&delete[..], wait].concat()).await.ok();
        if !wait.is_empty() {
            there.push((added.returned, changed.started));
            there.push((changed.returned, deleted.started));
        }
    }
    let back = world.apply(&plain, &["--wait", "30s"]).await.ok();
    assert_eq!(back.json()["proxies"]["acked"], 2, "{back:?}");
    let flip = Flip::run(&world, "green", &["switch", "fraud-model"]).await;
    let gone = ["delete", "service", "guest", "--yes", "--wait", "30s"];
    let gone = world.cli(&gone).await.ok();

    all_answered(&steady_load.stop().await);
    all_answered(&slow.stop().await);
    let report = guest_load.stop().await;
    all_answered(&report);
    there.push((back.returned, flip.ran.started));
    for (from, to) in there {
        only(&report, "guest", from, to);
    }
    only(&report, "green", gone.returned, Instant::now());
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_never_warms_holds_up_no_other_service() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);

    // Its first health check lasts longer than this test.
    let cold = Cold::at(target, "interval: 120s, timeout: 120s").await;
    cold.warms(&world).await;

    // A new version is staged, switched to, rolled back, every step proven at every proxy.
    let mut flips = Vec::new();
    let green = backends.green[0].addr().to_string();
    for round in 0..3 {
        let version = format!("v3.{round}");
        let deploy = ["deploy", "fraud-model", "--version", &version];
        let deploy = [&deploy[..], &["--endpoint", &green, "--wait", "30s"]].concat();
        world.json(&deploy).await;
        flips.push(Flip::run(&world, "green", &["switch", "fraud-model"]).await);
        flips.push(Flip::run(&world, "blue", &["rollback", "fraud-model"]).await);
    }
    for envoy in &world.envoys {
        let warming = waiting::sum(envoy, WARMING).await;
        assert!(warming > 0, "{} is not warming any more", envoy.node());
    }
    // It is said who waits for what, and giving it up ends the waiting.
    let waits = world.apply(&cold.document, &["--wait", "100ms"]).await;
    assert_eq!(waits.code, 6, "{waits:?}");
    let delete = ["delete", "service", "cold", "--yes", "--wait", "30s"];
    world.cli(&delete).await.ok();

    let report = load.stop().await;
    all_answered(&report);
    proven(&report, &flips);
    no_trouble(&world).await;
}
