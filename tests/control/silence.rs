//! Load reports that fall silent while monitors read them: the bake fails, and until then its time does not count. Whose
//! monitors read none does not care.

use std::time::Duration;

use bluegreen::{
    controller::{Command, Handle, ReleaseOptions},
    fleet::Requirement,
    release::{Purpose, Reason, RolloutPhase},
    telemetry::StreamId,
};
use jiff::Timestamp;

use super::{
    calls::{apply, document},
    counting::outlived,
    releases::{SERVICE, Script, begun, endpoint, name, reached, release, run, settings, switch},
};
use crate::support::{
    backend::Backend,
    server::{LedgerProxy, Server, Settings},
};
use bluegreen::model::check::Phase;

/// With proxies that are asked to report this often. Who has not reported for three times as long has stopped.
fn reported_every(interval: Duration, script: &std::sync::Arc<Script>) -> Settings {
    let settings = settings(script);
    Settings {
        release: ReleaseOptions {
            report_interval: interval,
            ..settings.release
        },
        ..settings
    }
}

/// A proxy reports its load once; its stream stays open.
pub(super) fn report(handle: &Handle, proxy: &'static str, stream: u64) {
    let telemetry = handle.telemetry();
    telemetry.open(StreamId(stream), proxy, Timestamp::now());
    telemetry.report(StreamId(stream), &[], Timestamp::now());
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
    let settings = reported_every(Duration::from_millis(500), &script);
    let (server, handle, _first) = begun(settings, &bake("1h", BY_REPORTS)).await;
    let _second = LedgerProxy::connect(&server, "payments", "p2");
    // One that never reported is not missed.
    let _foreign = LedgerProxy::connect(&server, "payments", "p3");
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    run(&handle, switch()).await.unwrap();
    reached(&handle, RolloutPhase::Baking).await;
    // They are heard in the bake, and never again.
    report(&handle, "p1", 1);
    report(&handle, "p2", 2);
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    let why = "2 of 2 proxies stopped reporting their load";
    assert!(back.reason.contains(why), "{}", back.reason);
}

#[tokio::test]
async fn a_bake_counts_no_time_without_the_reports_that_it_reads() {
    let script = Script::new();
    script.say(Purpose::Validation, Phase::Successful);
    // One report is good for the rest of the test.
    let settings = reported_every(Duration::from_secs(3600), &script);
    let (server, handle, _proxy) = begun(settings, &bake("1s", BY_REPORTS)).await;
    let other = format!(
        "{}  release:\n{}",
        document("features", 10001),
        bake("1s", BY_REQUESTS)
    );
    apply(&mut server.client().await, &other).await.outcome();
    let (_green, waiting) = outlived(&handle).await;
    let progress = handle.release_progress(&name(SERVICE)).unwrap();
    assert_eq!(progress.elapsed(&waiting), Duration::ZERO);
    let why = progress.waits_for(&waiting).unwrap();
    assert!(why.starts_with("no proxy reports its load"), "{why}");

    report(&handle, "p1", 1);
    reached(&handle, RolloutPhase::Standby).await;
}

#[tokio::test]
async fn nothing_is_given_up_before_proxies_have_said_what_is_open_on_it() {
    let script = Script::new();
    let mut settings = reported_every(Duration::from_secs(3600), &script);
    settings.release.drain = Duration::from_millis(1);
    let server = Server::with(settings.clone()).await;
    let mut client = server.client().await;
    apply(&mut client, &document(SERVICE, 10000))
        .await
        .outcome();
    let handle = server.fleet("payments");
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    let green = Backend::start("v1.3").await;
    let deploy = Command::Deploy {
        service: name(SERVICE),
        version: "v1.3".to_owned(),
        endpoints: vec![endpoint(&green)],
        replace_standby: false,
    };
    run(&handle, deploy).await.unwrap();
    run(&handle, switch()).await.unwrap();
    drop((handle, proxy));

    // The server that comes back has heard of nothing yet: a request that was open before may still be.
    let server = Server::on(server.stop().await, settings).await;
    let handle = server.fleet("payments");
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    let retire = || Command::Retire {
        service: name(SERVICE),
        force: false,
    };
    let head = handle.head().unwrap();
    let in_step = Requirement::weights(head.meta.revision);
    let mut changes = handle.ledger_changes();
    while !handle.ledger().proof(&in_step).is_complete() {
        changes.changed().await.unwrap();
    }
    let refused = run(&handle, retire()).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::StillOpen));
    let said = refused.to_string();
    let why = "1 of 1 proxies have not reported their load since the server started: p1";
    assert!(said.contains(why), "{said}");

    report(&handle, "p1", 1);
    run(&handle, retire()).await.unwrap();
}
