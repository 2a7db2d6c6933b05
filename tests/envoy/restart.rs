//! The control plane goes down and comes back, as it was or older than it was: the proxies go on.

use std::{path::Path, time::Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    fixtures::{
        Backends, Flip, all_answered, half_behind_a_relay, load, no_trouble, only, proven, service,
        world,
    },
    support::{
        load::{Protocol, Shot},
        waiting,
        world::{READY, World},
        xds_client::XdsClient,
    },
};
use bluegreen::model::TypeUrl;

#[tokio::test(flavor = "multi_thread")]
async fn restarts_under_load_lose_nothing() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();
    let load = load(
        target,
        Protocol::Http1,
        100,
        vec![Shot::get("/score"), Shot::post("/score", "{}")],
    );
    let mut flips = Vec::new();
    for _ in 0..3 {
        for colour in ["green", "blue"] {
            world.terminate().await;
            world.serve(&[]).await;
            // At once: the switch itself waits for the proxies to come back.
            let switch = ["switch", "fraud-model", "--to", colour, "--force"];
            let switch = if colour == "green" {
                &switch[..]
            } else {
                &switch[..4]
            };
            flips.push(Flip::run(&world, colour, switch).await);
        }
    }
    let report = load.stop().await;
    all_answered(&report);
    proven(&report, &flips);
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_does_not_keep_whoever_waits_for_a_proof() {
    let backends = Backends::start().await;
    let (world, relay) = half_behind_a_relay(&backends).await;
    relay.halt();
    let switch = [
        "switch",
        "fraud-model",
        "--operation-id",
        "hangs",
        "-o",
        "json",
    ];
    let hangs = async {
        waiting::fleet(&world, "half delivered", |fleet| {
            fleet["revision"] == 2 && fleet["delivery"]["acked"] == 1
        })
        .await;
        world.signal(Signal::STOP);
    };
    let (ran, ()) = tokio::join!(world.cli(&switch), hangs);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("--operation-id hangs"), "{ran:?}");

    world.signal(Signal::CONT);
    relay.resume();
    let again = world.cli(&switch).await.ok().json();
    assert_eq!(again["revision"], 2, "{again}");
    assert_eq!(again["proxies"]["acked"], 2, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_right_after_a_start_waits_for_the_roster() {
    let backends = Backends::start().await;
    let (world, relay) = half_behind_a_relay(&backends).await;

    // One of the two can't come back before it is allowed to.
    world.terminate().await;
    relay.halt();
    world.serve(&[]).await;
    let switch = ["switch", "fraud-model"];
    let back = async {
        let one = |fleet: &Value| fleet["delivery"]["acked"] == 1;
        waiting::fleet(&world, "one of two", one).await;
        let resumed = Instant::now();
        relay.resume();
        resumed
    };
    let (switch, resumed) = tokio::join!(Flip::run(&world, "green", &switch), back);
    assert!(switch.ran.returned > resumed, "{:?}", switch.ran);
}

/// Copies the files of a directory, and those of directories in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a readable directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_keep_what_is_newer_than_a_restored_backup() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);
    world.terminate().await;
    let backup = world.dir.path().join("backup");
    copy(&world.data(), &backup);
    world.serve(&[]).await;
    let switch = Flip::run(&world, "green", &["switch", "fraud-model"]).await;

    world.terminate().await;
    std::fs::remove_dir_all(world.data()).expect("an empty place");
    copy(&backup, &world.data());
    world.serve(&[]).await;
    let alarmed = |fleet: &Value| {
        let alarms = fleet["alarms"].to_string();
        alarms.contains("proxy-1") && alarms.contains("proxy-2")
    };
    waiting::fleet(&world, "alarmed", alarmed).await;
    let status = world.json(&["status", "fraud-model"]).await;
    assert_eq!(status["live"], "blue");
    assert_eq!(
        status["alarms"].as_array().map(Vec::len),
        Some(2),
        "{status}"
    );
    // It is said, and not only in an alarm, that nobody has what the server has.
    assert_eq!(status["proxies"]["acked"], 0, "{status}");
    for envoy in &world.envoys {
        let dump = envoy.config_dump().await.expect("a dump");
        let weights = dump.to_string();
        assert!(weights.contains("fraud-model/green"), "{}", envoy.node());
    }

    // Taken for what it is, the backup is served.
    let kept_until = Instant::now();
    world.terminate().await;
    world.serve(&[("BLUEGREEN_ACCEPT_OLDER", "true")]).await;
    waiting::fleet(&world, "in sync", |fleet| fleet["delivery"]["acked"] == 2).await;
    let accepted = Instant::now();
    let again = Flip::run(&world, "green", &["switch", "fraud-model"]).await;
    let report = load.stop().await;
    all_answered(&report);
    only(&report, "green", switch.ran.returned, kept_until);
    only(&report, "blue", accepted, again.ran.started);
    only(&report, "green", again.ran.returned, Instant::now());
    no_trouble(&world).await;
}

/// A proxy of which a test says each word, in state of the world: it is away while a service goes and the server is
/// started again.
#[tokio::test(flavor = "multi_thread")]
async fn line_25_a_cluster_outlives_its_routes_also_where_proxies_come_back_to_a_restarted_server()
{
    let backends = Backends::start().await;
    let world = World::start().await;
    let target = world.listener.addr();
    let stays = service("fraud-model", "/", target, &backends, "");
    let goes = service("guest", "/guest", target, &backends, "");
    world.apply(&format!("{stays}{goes}"), &[]).await.ok();
    let routes = target.to_string();
    let left = ["fraud-model/blue", "fraud-model/green"];
    let all = [&left[..], &["guest/blue", "guest/green"]].concat();
    let mut before = XdsClient::connect(world.xds, "proxy-1", "payments").await;
    before.start(&all, &routes).await;
    before.quiet().await;

    world.terminate().await;
    world.serve(&[]).await;
    let delete = ["delete", "service", "guest", "--yes", "--wait", "100ms"];
    let deleted = world.cli(&delete).await;
    assert_eq!(deleted.code, 6, "nobody is there to accept it: {deleted:?}");
    world.kill().await;
    world.serve(&[]).await;

    let mut proxy = before.reconnect(world.xds, "proxy-1", "payments").await;
    proxy.subscribe(TypeUrl::Cluster, &[]);
    proxy.expect(TypeUrl::Cluster, all.len()).await;
    proxy.ack(TypeUrl::Cluster);
    proxy.subscribe(TypeUrl::RouteConfiguration, &[&routes]);
    proxy.expect(TypeUrl::RouteConfiguration, 1).await;
    proxy.ack(TypeUrl::RouteConfiguration);
    // The grace after that is a request's longest time.
    proxy.quiet().await;
    let after = tokio::time::timeout(READY, proxy.sometime()).await;
    let after = after.expect("in time").unwrap().expect("a list");
    assert_eq!(after.resources.len(), left.len(), "{after:?}");
}
