//! What an operator sees of a real Envoy: each resource, a rejection with its own words, and the numbers of it.

use serde_json::Value;

use crate::{
    fixtures::{Backends, extra_cluster, service},
    support::{http, waiting, world::World},
};

/// The resource of that name on a proxy's page.
fn resource(page: &Value, of_type: &str, name: &str) -> Value {
    let resources = page["resources"].as_array().expect("a list").iter();
    let mut found = resources.filter(|one| one["type"] == of_type && one["name"] == name);
    found.next().cloned().unwrap_or_default()
}

async fn metrics(world: &World) -> String {
    let (status, body) = http::get(world.http, "/metrics").await.expect("an answer");
    assert_eq!(status, 200);
    String::from_utf8_lossy(&body).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn line_34_each_resource_of_a_proxy_is_seen_and_a_rejection_with_envoys_words() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let document = service("fraud-model", "/", target, &backends, "");
    world.apply(&document, &["--wait", "30s"]).await.ok();
    world.fleet(1).await;
    waiting::fleet(&world, "in sync", |fleet| fleet["delivery"]["acked"] == 1).await;

    // By its name alone, too.
    for page in [&["fleet", "payments", "proxy-1"][..], &["fleet", "proxy-1"]] {
        let page = world.json(page).await;
        for of_type in ["Cluster", "ClusterLoadAssignment"] {
            for name in ["fraud-model/blue", "fraud-model/green"] {
                let one = resource(&page, of_type, name);
                assert_eq!(one["status"], "synced", "{page}");
                assert_eq!(one["clientStatus"], "acked", "{page}");
                assert_eq!(one["sent"], one["accepted"], "{page}");
            }
        }
        assert_eq!(page["warnings"], serde_json::json!([]), "{page}");
    }
    let nobody = world.cli(&["fleet", "nobody"]).await;
    assert_eq!(nobody.code, 3, "{nobody:?}");

    let left = world
        .apply(
            &extra_cluster("0s"),
            &["--on-nack", "halt", "--wait", "30s"],
        )
        .await;
    assert_eq!(left.code, 8, "{left:?}");
    let page = world.json(&["fleet", "payments", "proxy-1"]).await;
    let refused = resource(&page, "Cluster", "extra");
    assert_eq!(
        (&refused["status"], &refused["clientStatus"]),
        (&"error".into(), &"nacked".into())
    );
    let complaint = "ConnectTimeout";
    assert!(
        refused["error"]
            .as_str()
            .is_some_and(|it| it.contains(complaint)),
        "{page}"
    );
    assert_eq!(
        resource(&page, "Cluster", "fraud-model/blue")["status"],
        "synced"
    );
    let table = world.cli(&["fleet", "payments", "proxy-1"]).await.ok();
    assert!(
        table.stdout.contains("NACKED") && table.stdout.contains(complaint),
        "{table:?}"
    );

    // In the log once, and counted once.
    let told = async || -> Vec<String> {
        let log = world.log();
        let told = log.lines().map(str::to_owned);
        told.filter(|line| line.contains("WARN") && line.contains(complaint))
            .collect()
    };
    let told = waiting::until("told in the log", told, |told| !told.is_empty()).await;
    assert_eq!(told.len(), 1, "{told:#?}");
    let text = metrics(&world).await;
    for line in [
        "bluegreen_nacks_total{fleet=\"payments\",type=\"Cluster\"} 1",
        "bluegreen_proxies{fleet=\"payments\",state=\"connected\"} 1",
        "bluegreen_proxies_nacked{fleet=\"payments\"} 1",
        "bluegreen_fleet_revision{fleet=\"payments\"} 2",
        "bluegreen_streams_opened_total{fleet=\"payments\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    let sent = text
        .lines()
        .find_map(|line| line.strip_prefix("bluegreen_xds_responses_total{type=\"Cluster\"} "));
    assert!(
        sent.and_then(|count| count.parse().ok()) >= Some(2),
        "{text}"
    );
}
