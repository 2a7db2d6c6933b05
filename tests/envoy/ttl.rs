//! What lives for a while only: kept by a control plane that says so again and again, over when that is dead.

use serde_json::Value;

use crate::{
    fixtures::{Backends, service},
    support::{waiting, world::World},
};

/// The keys of the layer that the control plane gives, as the proxy has them.
async fn keys(world: &World) -> Vec<String> {
    let said = world.envoys[0].ask("/runtime?format=json").await;
    let said: Value = serde_json::from_str(&said.expect("the admin port answers")).expect("JSON");
    let entries = said["entries"].as_object().expect("entries");
    entries.keys().cloned().collect()
}

/// Messages of runtime layers that the server has sent.
fn sent(world: &World) -> usize {
    let log = world.log();
    let lines = log.lines();
    lines
        .filter(|line| line.contains("Runtime") && line.contains("response"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn line_30_a_runtime_key_ends_by_itself_when_the_server_is_killed() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let document = service("fraud-model", "/", world.listener.addr(), &backends, "");
    world.apply(&document, &[]).await.ok();
    world.fleet(1).await;
    assert_eq!(keys(&world).await, Vec::<String>::new());

    world.json(&["preview", "fraud-model", "--for", "1h"]).await;
    let ask = async || keys(&world).await;
    let there = waiting::until("a key of the preview", ask, |keys| !keys.is_empty()).await;
    // It is there for longer than it lives, because it is said again.
    let before = sent(&world);
    let ask = async || sent(&world);
    waiting::until("four heartbeats", ask, |sent| *sent >= before + 4).await;
    assert_eq!(keys(&world).await, there);
    // No heartbeat is a revision, nor does it change what the proxy has accepted.
    let fleet = world.json(&["fleet"]).await;
    assert!(!fleet.to_string().contains("STALE"), "{fleet}");

    world.kill().await;
    let ask = async || keys(&world).await;
    waiting::until("gone with its server", ask, Vec::is_empty).await;
}
