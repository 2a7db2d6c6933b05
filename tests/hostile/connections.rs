//! Connections that come and go.

use bluegreen::model::TypeUrl;
use tokio::task::JoinSet;

use crate::{plane::Plane, spoken::Mode, support::xds_client::node};

/// Connections in all.
const CYCLES: usize = 10_000;

/// At a time.
const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_that_come_and_go_leave_nothing_behind() {
    let plane = Plane::start().await;
    let server = plane.world.xds;
    let mut open = JoinSet::new();
    for number in 0..CYCLES {
        if open.len() >= AT_ONCE {
            open.join_next().await;
        }
        open.spawn(async move {
            let mode = if number % 2 == 0 {
                Mode::Sotw
            } else {
                Mode::Delta
            };
            let raw = mode.open(server).await;
            // A few names that come back again and again, as of proxies that restart all the time; some say nothing.
            if number % 3 != 0 {
                let node = node(&format!("restless-{}", number % 100), "restless");
                raw.bytes(mode.ask(Some(node), TypeUrl::Cluster.url(), Vec::new()))
                    .await;
            }
        });
        if number % 1_000 == 0 {
            plane.goes_on().await;
        }
    }
    while open.join_next().await.is_some() {}
    plane.recovers(64).await;
}
