//! Load reports that fall silent while monitors read them: the bake fails, and until then its time does not count. Whose
//! monitors read none does not care.

use std::time::Duration;

use bluegreen::{
    controller::{Command, Handle, ReleaseOptions},
    release::{Purpose, RolloutPhase},
    telemetry::StreamId,
};
use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::{
    calls::{apply, document},
    releases::{
        SERVICE, Script, begun, endpoint, name, reached, reached_by, release, run, settings, switch,
    },
};
use crate::support::{
    backend::Backend,
    server::{LedgerProxy, Settings},
};
use bluegreen::model::check::Phase;

/// How often the proxies of these tests report.
const INTERVAL: Duration = Duration::from_millis(50);

fn often(script: &std::sync::Arc<Script>) -> Settings {
    let settings = settings(script);
    Settings {
        release: ReleaseOptions {
            report_interval: 4 * INTERVAL,
            ..settings.release
        },
        ..settings
    }
}

/// A proxy reports its load until this is dropped; its stream stays open even then.
struct Reporter(JoinHandle<()>);

impl Reporter {
    fn start(handle: &Handle, proxy: &'static str, stream: u64) -> Self {
        let telemetry = handle.telemetry().clone();
        telemetry.open(StreamId(stream), proxy, Timestamp::now());
        telemetry.report(StreamId(stream), &[], Timestamp::now());
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                telemetry.report(StreamId(stream), &[], Timestamp::now());
            }
        }))
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn bake(duration: &str, monitor: &str) -> String {
    format!("    bake: {{ duration: {duration}, interval: 1s, monitors: [ {{ name: errors, {monitor} }} ] }}
    standby: 1h
")
}

const BY_REPORTS: &str = "proxies: { successRate: { minimum: 0.9 } }";
const BY_REQUESTS: &str = "http: { path: / }";

#[tokio::test]
async fn load_reports_that_stop_in_a_bake_that_reads_them_take_it_back() {
    let script = Script::new();
    let (server, handle, _first) = begun(often(&script), &bake("1h", BY_REPORTS)).await;
    let _second = LedgerProxy::connect(&server, "payments", "p2");
    // One that never reported is not missed.
    let _foreign = LedgerProxy::connect(&server, "payments", "p3");
    let reporters = [
        Reporter::start(&handle, "p1", 1),
        Reporter::start(&handle, "p2", 2),
    ];
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    run(&handle, switch()).await.unwrap();
    reached(&handle, RolloutPhase::Baking).await;
    drop(reporters);
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    let why = "2 of 2 proxies stopped reporting their load";
    assert!(back.reason.contains(why), "{}", back.reason);
}

#[tokio::test]
async fn a_bake_counts_no_time_without_the_reports_that_it_reads() {
    let script = Script::new();
    script.say(Purpose::Validation, Phase::Successful);
    let (server, handle, _proxy) = begun(often(&script), &bake("1s", BY_REPORTS)).await;
    let other = format!(
        "{}  release:\n{}",
        document("features", 10001),
        bake("1s", BY_REQUESTS)
    );
    apply(&mut server.client().await, &other).await.outcome();
    let green = Backend::start("v1.3").await;
    for service in [SERVICE, "features"] {
        let command = Command::Release {
            service: name(service),
            version: "v1.3".to_owned(),
            endpoints: vec![endpoint(&green)],
            promotion: None,
            replace_standby: false,
        };
        run(&handle, command).await.unwrap();
        reached_by(&handle, service, RolloutPhase::Ready).await;
        let command = Command::Switch {
            service: name(service),
            to: None,
        };
        run(&handle, command).await.unwrap();
        reached_by(&handle, service, RolloutPhase::Baking).await;
    }
    // Nobody reports, and a bake that began later is over.
    reached_by(&handle, "features", RolloutPhase::Standby).await;
    let waiting = reached(&handle, RolloutPhase::Baking).await;
    assert_eq!(waiting.clock.elapsed_ms, 0);
    let progress = handle.release_progress(&name(SERVICE)).unwrap();
    assert_eq!(progress.elapsed, Duration::ZERO);

    let _reporter = Reporter::start(&handle, "p1", 1);
    reached(&handle, RolloutPhase::Standby).await;
}
