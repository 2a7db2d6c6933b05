//! The time that a bake has counted, and that is stored only once a minute: a pause keeps it, so does a clean end of the server,
//! and commands that leave the bake alone take none of it away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bluegreen::{
    controller::{Command, Handle},
    model::check::Phase,
    release::{Purpose, Rollout, RolloutPhase, Verb},
    store::{SledOptions, SledStore},
};

use super::{
    calls::{apply, document, rollback_fleet},
    releases::{
        SERVICE, Script, USUAL, begun_on, declared, endpoint, name, reached, reached_by, run,
        settings, steer,
    },
};
use crate::support::{
    backend::Backend,
    server::{LedgerProxy, Server},
};

/// Nobody is told that time has counted, so it is looked at this often.
const POLL: Duration = Duration::from_millis(20);

/// Long enough for a look of the server at its clocks, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Releases the same version of the service and then of `features`, whose bake is shorter: that one is over when this returns,
/// and the service's still runs, with nothing stored of what it has counted. The version runs for as long as the backend.
pub(super) async fn outlived(handle: &Handle) -> (Backend, Rollout) {
    let green = Backend::start("v1.3").await;
    for service in [SERVICE, "features"] {
        let command = Command::Release {
            service: name(service),
            version: "v1.3".to_owned(),
            endpoints: vec![endpoint(&green)],
            promotion: None,
            replace_standby: false,
        };
        run(handle, command).await.unwrap();
        reached_by(handle, service, RolloutPhase::Ready).await;
        let command = Command::Switch {
            service: name(service),
            to: None,
        };
        run(handle, command).await.unwrap();
        reached_by(handle, service, RolloutPhase::Baking).await;
    }
    reached_by(handle, "features", RolloutPhase::Standby).await;
    let baking = reached(handle, RolloutPhase::Baking).await;
    assert_eq!(baking.clock.elapsed_ms, 0);
    (green, baking)
}

/// The service in a bake of an hour that has counted for a second or so, of which nothing is stored.
struct Baking {
    server: Server,
    handle: Handle,
    proxy: LedgerProxy,
    _green: Backend,
}

/// An hour's bake, of which no test sees the end.
fn slow() -> String {
    USUAL.replace("duration: 1s", "duration: 1h")
}

async fn sled(dir: &tempfile::TempDir) -> Arc<SledStore> {
    let store = SledStore::open(dir.path(), SledOptions::default()).await;
    Arc::new(store.unwrap())
}

async fn baking(dir: &tempfile::TempDir) -> Baking {
    let script = Script::new();
    script.say(Purpose::Validation, Phase::Successful);
    let server = Server::on(sled(dir).await, settings(&script)).await;
    let (server, handle, proxy) = begun_on(server, &slow()).await;
    let other = format!("{}  release:\n{USUAL}", document("features", 10001));
    apply(&mut server.client().await, &other).await.outcome();
    let (green, _) = outlived(&handle).await;
    // The bake of a second that is over began later, and both are looked at together.
    assert!(counted(&handle) >= 1_000);
    Baking {
        server,
        handle,
        proxy,
        _green: green,
    }
}

fn rollout(handle: &Handle) -> Rollout {
    let head = handle.head().unwrap();
    let rollout = head.state.services[SERVICE].rollout.as_deref();
    rollout.unwrap().clone()
}

/// The milliseconds that its phase has counted, stored or not.
fn counted(handle: &Handle) -> u128 {
    let rollout = rollout(handle);
    let progress = handle.release_progress(&name(SERVICE)).unwrap();
    u128::from(rollout.clock.elapsed_ms) + progress.elapsed(&rollout).as_millis()
}

/// Looks until more has counted than `before`; at no look it is less.
async fn counts_on(handle: &Handle, before: u128) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = counted(handle);
        assert!(now >= before, "{now} of {before} ms");
        if now > before {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "nothing counts after {before} ms"
        );
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_pause_keeps_what_the_bake_has_counted() {
    let dir = tempfile::tempdir().unwrap();
    let stage = baking(&dir).await;
    let handle = &stage.handle;
    run(handle, steer(Verb::Pause)).await.unwrap();
    let paused = reached(handle, RolloutPhase::Paused).await;
    let kept = paused.clock.elapsed_ms;
    assert!(kept > 0, "{paused:?}");
    let progress = handle.release_progress(&name(SERVICE)).unwrap();
    assert_eq!(progress.elapsed(&paused), Duration::ZERO, "it is told once");

    run(handle, steer(Verb::Resume)).await.unwrap();
    let resumed = reached(handle, RolloutPhase::Baking).await;
    assert!(resumed.clock.elapsed_ms >= kept, "{resumed:?}");
}

#[tokio::test]
async fn a_server_that_ends_cleanly_keeps_what_the_bake_has_counted() {
    let dir = tempfile::tempdir().unwrap();
    let stage = baking(&dir).await;
    let before = counted(&stage.handle);
    drop((stage.handle, stage.proxy));
    let store = stage.server.stop().await;
    store.close().await.unwrap();
    drop(store);

    let server = Server::on(sled(&dir).await, settings(&Script::new())).await;
    let handle = server.fleet("payments");
    // No proxy is there, so nothing counts but what is stored.
    let stored = reached(&handle, RolloutPhase::Baking).await;
    let kept = u128::from(stored.clock.elapsed_ms);
    assert!(kept >= before, "{kept} of {before} ms");
}

#[tokio::test]
async fn a_document_or_a_fleet_that_goes_back_takes_nothing_from_what_the_bake_has_counted() {
    let dir = tempfile::tempdir().unwrap();
    let stage = baking(&dir).await;
    let handle = &stage.handle;
    let mut client = stage.server.client().await;
    let at = handle.head().unwrap().meta.revision;

    let before = counted(handle);
    let other = declared(&slow()).replace("port: 10000", "port: 10009");
    apply(&mut client, &other).await.outcome();
    counts_on(handle, before).await;

    let before = counted(handle);
    rollback_fleet(&mut client, at.0, false).await.outcome();
    counts_on(handle, before).await;

    // Paused, it keeps all of it, whatever is done to the fleet.
    run(handle, steer(Verb::Pause)).await.unwrap();
    let paused = reached(handle, RolloutPhase::Paused).await;
    apply(&mut client, &other).await.outcome();
    rollback_fleet(&mut client, at.0, false).await.outcome();
    assert_eq!(rollout(handle).clock, paused.clock);
    assert_eq!(rollout(handle).phase, RolloutPhase::Paused);
}
