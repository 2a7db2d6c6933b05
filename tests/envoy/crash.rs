//! kill -9 at every step and at any moment: what was answered is there, what is repeated is proven, and the proxies
//! notice nothing.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    time::Duration,
};

use serde_json::Value;

use crate::{
    fixtures::{self, Backends, all_answered, half_behind_a_relay, load, no_trouble, set},
    random::Random,
    support::{
        fault::POINTS,
        load::{Load, Protocol, Shot},
        waiting,
        world::{Ran, World},
    },
};

/// The longest that a random kill waits after the command was started: about twice what a switch takes.
const LONGEST_MS: u64 = 120;

/// What the command line exits with when the server was gone before the command was sent: an operator starts it again.
const NOT_REACHED: i32 = 5;

/// What every version string stood for, as the Envoys have it.
#[derive(Default)]
struct Versions(BTreeMap<(String, String), u64>);

impl Versions {
    /// Looks at all Envoys; no version may stand for two contents of a resource.
    async fn look(&mut self, world: &World) {
        for envoy in &world.envoys {
            let dump = envoy.config_dump().await.expect("a dump");
            let configs = dump["configs"].as_array().expect("a list");
            for config in configs {
                for (list, resource) in [
                    ("dynamic_active_clusters", "cluster"),
                    ("dynamic_route_configs", "route_config"),
                    ("dynamic_listeners", "active_state"),
                ] {
                    for one in config[list].as_array().into_iter().flatten() {
                        self.add(list, one, &one[resource]);
                    }
                }
            }
        }
    }

    #[track_caller]
    fn add(&mut self, list: &str, one: &Value, resource: &Value) {
        let (holder, content) = match resource.get("listener") {
            Some(listener) => (resource, listener),
            None => (one, resource),
        };
        let version = holder["version_info"].as_str().expect("a version");
        let name = content["name"].as_str().expect("a name");
        let mut hasher = DefaultHasher::new();
        content.to_string().hash(&mut hasher);
        let content = hasher.finish();
        let key = (format!("{list} {name}"), version.to_owned());
        let known = *self.0.entry(key.clone()).or_insert(content);
        assert_eq!(known, content, "two contents of {key:?}");
    }
}

/// A service with two Envoys, and its load.
async fn world(backends: &Backends) -> (World, Load) {
    let world = fixtures::world(backends, "").await;
    saved(&world).await;
    let load = load(
        world.listener.addr(),
        Protocol::Http1,
        50,
        vec![Shot::get("/score")],
    );
    (world, load)
}

/// Waits until the roster is in the store: it is saved in batches, and at the latest when the server ends.
async fn saved(world: &World) {
    world.terminate().await;
    world.serve(&[]).await;
    waiting::fleet(world, "in sync", |fleet| fleet["delivery"]["acked"] == 2).await;
}

/// The next move: there, and back.
fn step(round: usize) -> (&'static str, &'static [&'static str]) {
    if round.is_multiple_of(2) {
        (
            "green",
            &["switch", "fraud-model", "--to", "green", "--force"],
        )
    } else {
        ("blue", &["rollback", "fraud-model"])
    }
}

/// The command with the operation id of that round.
async fn run(world: &World, command: &[&str], id: &str) -> Ran {
    let more = ["--operation-id", id, "-o", "json"];
    world.cli(&[command, &more].concat()).await
}

/// The whole fleet has accepted, and the state is what the command made it; told again, it tells the same.
async fn check(world: &World, round: usize, ran: Ran, id: &str) {
    let (colour, command) = step(round);
    let ran = ran.ok();
    let answer = ran.json();
    assert_eq!(answer["proxies"]["acked"], 2, "{ran:?}");
    assert_eq!(answer["proxies"]["total"], 2, "{ran:?}");
    let status = world.json(&["status", "fraud-model"]).await;
    assert_eq!(status["live"], colour, "{status} after {ran:?}");
    let again = run(world, command, id).await.ok();
    for field in ["revision", "proxies", "from", "to", "exitCode"] {
        assert_eq!(
            again.json()[field],
            answer[field],
            "{again:?} after {ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_any_two_steps() {
    let backends = Backends::start().await;
    let (world, load) = world(&backends).await;
    let mut versions = Versions::default();
    for (round, point) in POINTS.iter().flat_map(|point| [point; 2]).enumerate() {
        world.terminate().await;
        world.serve(&[("BLUEGREEN_FAULT_POINT", point)]).await;
        let id = format!("step-{round}");
        let (_, command) = step(round);
        let crash = async {
            world.ended().await;
            world.serve(&[]).await;
        };
        // The command line sends the command again by itself until a server answers.
        let (ran, ()) = tokio::join!(run(&world, command, &id), crash);
        check(&world, round, ran, &id).await;
        versions.look(&world).await;
    }
    all_answered(&load.stop().await);
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_moment() {
    let backends = Backends::start().await;
    let (world, load) = world(&backends).await;
    let mut versions = Versions::default();
    let mut random = Random(0x5eed);
    for round in 0..set("BLUEGREEN_TEST_KILLS", 50) {
        let id = format!("moment-{round}");
        let (_, command) = step(round);
        let moment = Duration::from_millis(random.below(LONGEST_MS));
        let crash = async {
            // The moment itself is what is tried.
            tokio::time::sleep(moment).await;
            world.kill().await;
            world.serve(&[]).await;
        };
        let (mut ran, ()) = tokio::join!(run(&world, command, &id), crash);
        if ran.code == NOT_REACHED {
            ran = run(&world, command, &id).await;
        }
        check(&world, round, ran, &id).await;
        versions.look(&world).await;
    }
    all_answered(&load.stop().await);
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_when_half_of_the_fleet_knows_and_nobody_listens() {
    let backends = Backends::start().await;
    let (world, relay) = half_behind_a_relay(&backends).await;
    let target = world.listener.addr();
    saved(&world).await;
    let load = load(target, Protocol::Http1, 50, vec![Shot::get("/score")]);
    let mut versions = Versions::default();

    for round in 0..4 {
        let id = format!("half-{round}");
        let (_, command) = step(round);
        relay.halt();
        let before = world.json(&["status", "fraud-model"]).await["revision"].clone();
        let half = waiting::fleet(&world, "half delivered", |fleet| {
            fleet["revision"] != before && fleet["delivery"]["acked"] == 1
        });
        // Whoever gave the command goes away with it.
        tokio::select! {
            ran = run(&world, command, &id) => panic!("not half of the fleet: {ran:?}"),
            _ = half => {}
        }
        versions.look(&world).await;
        world.kill().await;
        relay.resume();
        world.serve(&[]).await;
        let ran = run(&world, command, &id).await;
        check(&world, round, ran, &id).await;
        versions.look(&world).await;
    }
    all_answered(&load.stop().await);
    no_trouble(&world).await;
}
