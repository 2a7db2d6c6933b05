//! `through: proxies`: the staged version is asked through a real Envoy, by the preview route, and live is not disturbed.

use std::sync::Arc;

use bluegreen::{
    gates::{self, Context},
    model::check::Phase,
};
use http::{HeaderName, HeaderValue};

use crate::{
    fixtures::{checks, context, run},
    support::{backend::Backend, document, world::World},
};

/// The documents of the release under test.
fn document(world: &World, blue: &Backend, green: &Backend) -> String {
    document::service(
        "fraud-model",
        &[
            &document::listener(world.listener.addr()),
            &document::environments(&[blue.addr()], &[green.addr()]),
        ],
    )
}

/// Sees the fleet as the server would: one proxy, and the header of the preview.
fn through(world: &World, context: Context) -> Context {
    let mut target = gates::Target::clone(&context.target);
    target.proxies = vec![world.listener.addr()];
    let name = HeaderName::from_static("x-bluegreen-preview");
    target.preview = Some((name, HeaderValue::from_static("green")));
    Context {
        target: Arc::new(target),
        ..context
    }
}

const GATES: &str = r#"
- name: smoke
  through: proxies
  http: { path: /score, expect: { headers: { x-model-version: "{{version}}", server: envoy } } }
- name: load
  after: smoke
  through: proxies
  load:
    rate: { perSecond: 100 }
    duration: 1s
    requests: [{ path: /score }]
    liveRate: 50
    limits: { errorRateOverLive: 0.0 }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_users_is_tested_by_the_preview_route() {
    let (blue, green) = (Backend::start("v1.2").await, Backend::start("v1.3").await);
    let mut world = World::start().await;
    world
        .apply(&document(&world, &blue, &green), &[])
        .await
        .ok();
    world.fleet(1).await;
    let context = context(("v1.3", vec![green.addr()]), ("v1.2", vec![blue.addr()]));
    let context = through(&world, context);

    // Without the route the header leads nowhere else than to live, and the gate says so.
    let analysis = run(checks(GATES), &context).await;
    assert_eq!(analysis.phase, Phase::Failed);
    let said = "header x-model-version is \"v1.2\", not \"v1.3\"";
    assert!(analysis.message.contains(said), "{}", analysis.message);

    world
        .cli(&["preview", "fraud-model", "--for", "10m"])
        .await
        .ok();
    let (before_blue, before_green) = (blue.requests(), green.requests());
    let analysis = run(checks(GATES), &context).await;
    assert_eq!(analysis.phase, Phase::Successful, "{}", analysis.message);
    // One request of the smoke test and a hundred of the load went to the staged version, live's fifty to live.
    assert_eq!(green.requests() - before_green, 101);
    assert_eq!(blue.requests() - before_blue, 50);
}
