//! A proxy that stops reading in the middle of a response.

use std::fmt::Write as _;

use bluegreen::model::TypeUrl;

use crate::{
    plane::{FLEET, Plane},
    spoken::Mode,
    support::xds_client::node,
    wire::WINDOW,
};

/// Versions that it misses.
const VERSIONS: usize = 1_000;

/// Proxies that do so.
const STALLED: usize = 20;

/// Versions before memory counts: the store's cache is full of the fleet's resources then, with stalled proxies or without.
const WARM_UP: usize = 150;

/// A hundred clusters with something long in each, more than the window of a client that does not read.
pub fn large() -> String {
    let long = "x".repeat(20_000);
    let mut document = format!(
        "apiVersion: bluegreen/v1\nkind: EnvoyResources\nmetadata: {{ name: large }}\nspec:\n  fleet: {FLEET}\n  resources:\n"
    );
    for number in 0..100 {
        let _ = writeln!(
            document,
            "    - {{ \"@type\": {}, name: raw-{number}, type: STATIC, alt_stat_name: {long} }}",
            TypeUrl::Cluster.url()
        );
    }
    assert!(document.len() > 10 * WINDOW as usize);
    document
}

/// Proxies that read the beginning of a response and nothing more while a thousand versions go by.
async fn stalled(mode: Mode) {
    let mut plane = Plane::in_one_arena().await;
    plane.world.apply(&large(), &[]).await.ok();
    for version in 0..WARM_UP {
        plane.flip(version % 2 == 0).await;
    }
    plane.settle();
    let listener = plane.world.listener.addr().to_string();
    let mut stalled = Vec::new();
    for number in 0..STALLED {
        let mut raw = mode.open(plane.world.xds).await;
        let node = node(&format!("stalled-{number}"), FLEET);
        raw.bytes(mode.ask(Some(node), TypeUrl::Cluster.url(), Vec::new()))
            .await;
        raw.begins().await;
        stalled.push(raw);
    }
    for version in 0..VERSIONS {
        plane.flip(version % 2 == 0).await;
        if version % 250 == 0 {
            plane.goes_on().await;
        }
    }
    plane.goes_on().await;
    let fleet = plane.world.json(&["fleet", FLEET]).await;
    let newest = fleet["revision"].as_u64().expect("a revision");
    assert!(newest > VERSIONS as u64);
    for mut raw in stalled {
        // What was on its way, whole; and then nothing but the newest.
        let clusters = mode.answer(&mut raw).await;
        assert_eq!(clusters.resources, 102);
        raw.bytes(mode.accept(&clusters)).await;
        let routes = TypeUrl::RouteConfiguration.url();
        raw.bytes(mode.ask(None, routes, vec![listener.clone()]))
            .await;
        let answer = mode.answer(&mut raw).await;
        assert_eq!((&*answer.type_url, answer.resources), (routes, 1));
        let revision = answer.version.split('-').next().expect("a revision");
        assert_eq!(revision.parse(), Ok(newest));
    }
    plane.recovers(256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_05_a_client_that_stops_reading_misses_a_thousand_versions_and_gets_the_newest_in_sotw()
 {
    stalled(Mode::Sotw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_05_a_client_that_stops_reading_misses_a_thousand_versions_and_gets_the_newest_in_delta()
 {
    stalled(Mode::Delta).await;
}
