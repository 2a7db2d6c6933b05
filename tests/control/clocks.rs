//! A system's clock that is set while the server runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bluegreen::{
    release::RolloutPhase,
    telemetry::{ClusterStats, LocalityStats, StreamId},
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::interval;

use super::releases::{begun, reached, release, run, switch};
use crate::support::{backend::Backend, server::Settings};

/// A clock, and what it is ahead of the system's by, in hours.
fn settable() -> (Settings, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let hours = ahead.clone();
    let clock = move || {
        let ahead = SignedDuration::from_hours(hours.load(Ordering::Relaxed));
        Timestamp::now().checked_add(ahead).unwrap()
    };
    let settings = Settings {
        clock: Some(Arc::new(clock)),
        ..Settings::default()
    };
    (settings, ahead)
}

/// Nothing but errors, of the last tenth of a second.
fn errors(cluster: &str) -> ClusterStats {
    ClusterStats {
        cluster_name: cluster.to_owned(),
        upstream_locality_stats: vec![LocalityStats {
            total_issued_requests: 1_000,
            total_error_requests: 1_000,
            ..LocalityStats::default()
        }],
        load_report_interval: Duration::from_millis(100).try_into().ok(),
        ..ClusterStats::default()
    }
}

#[tokio::test]
async fn a_clock_that_is_set_hides_no_errors_from_monitors() {
    for hours in [-3, 24] {
        let (settings, ahead) = settable();
        let bake = "    bake:
      duration: 1h
      interval: 100ms
      monitors: [ { name: errors, proxies: { successRate: { minimum: 0.9 } }, inconclusiveLimit: 100000 } ]
    standby: 1h
";
        let (_server, handle, _proxy) = begun(settings, bake).await;
        let green = Backend::start("v1.3").await;
        run(&handle, release(&[&green])).await.unwrap();
        reached(&handle, RolloutPhase::Ready).await;
        run(&handle, switch()).await.unwrap();
        reached(&handle, RolloutPhase::Baking).await;
        ahead.store(hours, Ordering::Relaxed);

        let telemetry = handle.telemetry();
        telemetry.open(StreamId(1), "p1", telemetry.now());
        let reporting = async {
            let mut due = interval(Duration::from_millis(100));
            loop {
                due.tick().await;
                telemetry.report(StreamId(1), &[errors("fraud-model/green")], telemetry.now());
            }
        };
        let back = tokio::select! {
            back = reached(&handle, RolloutPhase::RolledBack) => back,
            () = reporting => unreachable!(),
        };
        assert!(back.reason.contains("errors is Failed"), "{}", back.reason);
    }
}
