//! Endpoints that move while checks run: what is asked is the version where it is, not where it was when they began.

use std::time::Duration;

use bluegreen::{
    controller::{Command, Handle},
    model::Colour,
    release::RolloutPhase,
};
use tokio::time::interval;

use super::releases::{SERVICE, begun, endpoint, name, reached, release, run, switch};
use crate::support::{backend::Backend, server::Settings};

/// Waits until it was asked more often than that.
async fn asked(backend: &Backend, before: u64) {
    let mut looks = interval(Duration::from_millis(10));
    let asked = async {
        while backend.requests() <= before {
            looks.tick().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), asked).await;
    waited.expect("it is asked");
}

async fn scale(handle: &Handle, to: &Backend) {
    let scale = Command::Scale {
        service: name(SERVICE),
        colour: Colour::Green,
        endpoints: vec![endpoint(to)],
        replace_standby: false,
        force: false,
    };
    run(handle, scale).await.unwrap();
}

#[tokio::test]
async fn a_monitor_goes_with_the_endpoints_that_are_moved_under_it() {
    let bake = "    bake:
      duration: 1h
      interval: 50ms
      monitors: [ { name: alive, http: { path: / } } ]
    standby: 1h
";
    let (_server, handle, _proxy) = begun(Settings::default(), bake).await;
    let (first, second) = (Backend::start("v1.3").await, Backend::start("v1.3").await);
    run(&handle, release(&[&first])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    run(&handle, switch()).await.unwrap();
    reached(&handle, RolloutPhase::Baking).await;
    asked(&first, 0).await;

    scale(&handle, &second).await;
    asked(&second, 0).await;
    // A version that is where it is said to be has no complaint to fear from where it was.
    first.stop().await;
    asked(&second, second.requests() + 2).await;
    reached(&handle, RolloutPhase::Baking).await;

    // And what is wrong where it is now is seen.
    second.fail();
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    let at = second.addr().to_string();
    assert!(back.reason.contains(&at), "{}", back.reason);
}
