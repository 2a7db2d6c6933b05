//! An Envoy that starts before its control plane has anything to say: closed until it has everything, never wrong.

use crate::{
    fixtures::{Backends, load, no_trouble, service},
    support::{
        load::{Failure, Protocol, Shot},
        waiting,
        world::World,
    },
};

/// Longer than Envoy's own patience of 15 s, after which it would open a listener without routes and answer 404.
const LATE: u64 = 17;

#[tokio::test(flavor = "multi_thread")]
async fn line_13_an_envoy_is_closed_until_it_has_everything() {
    let backends = Backends::start().await;
    let mut world = World::stopped();
    let target = world.listener.addr();
    world.envoy("proxy-1").await;
    let load = load(target, Protocol::Http1, 50, vec![Shot::get("/score")]);
    waiting::stat(&world.envoys[0], "^server.uptime$", |up| up >= LATE).await;
    assert!(world.envoys[0].ask("/ready").await.is_err());

    // A control plane that has never heard of this fleet.
    world.serve(&[]).await;
    world.envoy("proxy-2").await;
    let waits = |fleet: &serde_json::Value| {
        let proxies = fleet["proxies"].as_array().map_or(0, Vec::len);
        fleet["waiting"] == true && proxies == 2
    };
    waiting::fleet(&world, "two waiting proxies", waits).await;
    for envoy in &world.envoys {
        assert!(envoy.ask("/ready").await.is_err(), "{}", envoy.node());
    }

    let document = service("fraud-model", "/", target, &backends, "");
    let applied = world.apply(&document, &["--wait", "30s"]).await.ok();
    assert_eq!(applied.json()["proxies"]["acked"], 2, "{applied:?}");
    world.ready().await;
    // Both have had their share of requests before the end.
    for envoy in &world.envoys {
        let answered = "^http..*.downstream_rq_2xx$";
        waiting::stat(envoy, answered, |answered| answered >= 50).await;
    }

    let report = load.stop().await;
    let refused = |outcome: &Result<_, Failure>| matches!(outcome, Err(Failure::Connect));
    let open = report
        .samples
        .iter()
        .skip_while(|sample| refused(&sample.outcome));
    let open: Vec<_> = open.collect();
    assert!(!open.is_empty() && open.len() < report.samples.len());
    let wrong = open.iter().find(|sample| sample.outcome.is_err());
    assert!(wrong.is_none(), "{wrong:?}");
    no_trouble(&world).await;
}
