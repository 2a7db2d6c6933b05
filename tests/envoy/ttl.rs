//! What lives for a while only: kept by a control plane that says so again and again, over when that is dead.

use serde_json::{Value, json};

use crate::{
    fixtures::{Backends, service},
    support::{envoy::Envoy, waiting, world::World},
};

/// The keys of the layer that the control plane gives, as the proxy has them.
async fn keys(envoy: &Envoy) -> Vec<String> {
    let said = envoy.ask("/runtime?format=json").await;
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
    assert_eq!(keys(&world.envoys[0]).await, Vec::<String>::new());

    world.json(&["preview", "fraud-model", "--for", "1h"]).await;
    let ask = async || keys(&world.envoys[0]).await;
    let there = waiting::until("a key of the preview", ask, |keys| !keys.is_empty()).await;
    // It is there for longer than it lives, because it is said again.
    let before = sent(&world);
    let ask = async || sent(&world);
    waiting::until("four heartbeats", ask, |sent| *sent >= before + 4).await;
    assert_eq!(keys(&world.envoys[0]).await, there);
    // No heartbeat is a revision, nor does it change what the proxy has accepted.
    let fleet = world.json(&["fleet"]).await;
    assert!(!fleet.to_string().contains("STALE"), "{fleet}");

    world.kill().await;
    let ask = async || keys(&world.envoys[0]).await;
    waiting::until("gone with its server", ask, Vec::is_empty).await;
}

/// In state of the world Envoy 1.40 crashes when one of several layers is over.
#[tokio::test(flavor = "multi_thread")]
async fn line_30_a_proxy_with_several_runtime_layers_outlives_the_server() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let document = service("fraud-model", "/", world.listener.addr(), &backends, "");
    world.apply(&document, &[]).await.ok();
    world.fleet(1).await;
    let other = json!({ "name": "other", "rtds_layer": {
        "name": "other", "rtds_config": { "ads": {}, "resource_api_version": "V3" } } });
    let xds = world.xds;
    let with_other = |bootstrap: &mut Value| {
        let layers = bootstrap["layered_runtime"]["layers"].as_array_mut();
        layers.expect("layers").insert(0, other);
    };
    world
        .envoy_set("payments", "layered", xds, with_other)
        .await;
    world.ready().await;
    world.json(&["preview", "fraud-model", "--for", "1h"]).await;
    for envoy in &world.envoys {
        let ask = async || keys(envoy).await;
        waiting::until("a key of the preview", ask, |keys| !keys.is_empty()).await;
    }
    world.kill().await;
    let ask = async || keys(&world.envoys[0]).await;
    waiting::until("gone with its server", ask, Vec::is_empty).await;
    world.serve(&[]).await;
    world.json(&["preview", "fraud-model", "--stop"]).await;
    for envoy in &world.envoys {
        let ask = async || keys(envoy).await;
        waiting::until("over", ask, Vec::is_empty).await;
    }
}
