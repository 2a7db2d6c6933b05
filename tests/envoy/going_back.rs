//! A fleet goes back to before its live environment was made: one revision moves the traffic away and takes the endpoints.

use crate::{
    fixtures::{Backends, all_answered, load, no_trouble, world},
    support::load::{Protocol, Shot},
};

/// As many times; each is a moment in which a request could meet an environment that is empty already.
const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_goes_back_to_before_its_live_environment_was_made_loses_nothing() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 800, vec![Shot::get("/score")]);
    world.cli(&["switch", "fraud-model"]).await.ok();
    let retire = ["retire", "fraud-model", "--force", "--wait", "30s"];
    world.cli(&retire).await.ok();
    let alone = world.json(&["status", "fraud-model"]).await["revision"].to_string();
    let endpoint = backends.blue[0].addr().to_string();
    for _ in 0..ROUNDS {
        let deploy = [
            "deploy",
            "fraud-model",
            "--version",
            "v1.4",
            "--wait",
            "30s",
        ];
        let deploy = [&deploy[..], &["--endpoint", &endpoint]].concat();
        world.cli(&deploy).await.ok();
        world.cli(&["switch", "fraud-model"]).await.ok();
        let back = ["rollback", "--fleet", "payments", "--to-revision", &alone];
        // Exactly as it was: otherwise the environment would keep its endpoints.
        let back = [&back[..], &["--exact", "--yes", "--wait", "30s"]].concat();
        world.cli(&back).await.ok();
    }
    let status = world.json(&["status", "fraud-model"]).await;
    assert_eq!(status["live"], "green", "{status}");
    let report = load.stop().await;
    all_answered(&report);
    no_trouble(&world).await;
}
