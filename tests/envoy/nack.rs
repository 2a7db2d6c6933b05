//! Envoy says no: it is told to who asked, kept in the history, never repeated, and taken back or left as wanted.

use serde_json::Value;

use crate::{
    fixtures::{
        Backends, Cold, Flip, RDS, all_answered, environments, extra_cluster, load, no_trouble,
        only, service, world,
    },
    support::{
        backend::Backend,
        document, http,
        load::{Protocol, Shot},
        waiting,
        world::{Ran, World},
    },
};

/// What Envoy says of a connect timeout of zero.
const COMPLAINT: &str = "ConnectTimeout";

/// How often each Envoy has rejected something of a type, `cluster_manager.cds` for one.
async fn rejections(world: &World, what: &str) -> Vec<u64> {
    let mut counts = Vec::new();
    for envoy in &world.envoys {
        let filter = format!("{}.update_rejected$", what.replace('.', "\\."));
        counts.push(waiting::sum(envoy, &filter).await);
    }
    counts
}

/// The history's entry of a revision.
async fn entry(world: &World, revision: &Value) -> Value {
    let history = world.json(&["history", "payments"]).await;
    let entries = history.as_array().expect("a list").iter();
    let mut entries = entries.filter(|entry| entry["revision"] == *revision);
    entries.next().expect("an entry").clone()
}

/// The answer names a proxy, and Envoy's own reason. It need not name all: one may be enough to decide.
#[track_caller]
fn tells_who_and_why(ran: &Ran, complaint: &str) {
    let answer = ran.json();
    let rejected: Vec<&Value> = answer["notAcked"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["state"] == "nacked")
        .collect();
    assert!(!rejected.is_empty(), "{ran:?}");
    for one in rejected {
        let error = one["error"].as_str().expect("an error");
        assert!(error.contains(complaint), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_change_is_taken_back_and_never_repeated() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);

    let rejected = world.apply(&extra_cluster("0s"), &["--wait", "30s"]).await;
    assert_eq!(rejected.code, 7, "{rejected:?}");
    let answer = rejected.json();
    assert_eq!(answer["result"], "reverted");
    tells_who_and_why(&rejected, COMPLAINT);
    let noted = entry(&world, &answer["revision"]).await["notes"].to_string();
    for said in ["proxy-", "extra", COMPLAINT, "taken back by revision"] {
        assert!(noted.contains(said), "{said} is not in {noted}");
    }
    let reverted = entry(&world, &answer["revertedBy"]).await;
    assert_eq!(reverted["actor"], "bluegreen", "{reverted}");
    waiting::fleet(&world, "in sync", |fleet| fleet["delivery"]["acked"] == 2).await;
    assert_eq!(rejections(&world, "cluster_manager.cds").await, [1, 1]);

    // Nothing of it is in the way of what comes later, and nobody is asked twice.
    let good = world
        .apply(&extra_cluster("1s"), &["--wait", "30s"])
        .await
        .ok();
    assert_eq!(good.json()["proxies"]["acked"], 2, "{good:?}");
    let switch = Flip::run(&world, "green", &["switch", "fraud-model"]).await;
    assert_eq!(rejections(&world, "cluster_manager.cds").await, [1, 1]);

    let report = load.stop().await;
    all_answered(&report);
    only(
        &report,
        "green",
        switch.ran.returned,
        std::time::Instant::now(),
    );
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_change_that_is_left_is_in_nobodys_way() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);

    let tolerated = ["--max-nack", "2", "--wait", "30s"];
    let tolerated = world.apply(&extra_cluster("0s"), &tolerated).await;
    assert_eq!(tolerated.code, 6, "{tolerated:?}");
    tells_who_and_why(&tolerated, COMPLAINT);
    world
        .cli(&[
            "delete",
            "envoyresources",
            "extra",
            "--yes",
            "--wait",
            "30s",
        ])
        .await
        .ok();

    let left = ["--on-nack", "halt", "--wait", "30s"];
    let left = world.apply(&extra_cluster("0s"), &left).await;
    assert_eq!(left.code, 8, "{left:?}");
    tells_who_and_why(&left, COMPLAINT);
    let noted = entry(&world, &left.json()["revision"]).await["notes"].to_string();
    assert!(noted.contains("left in place"), "{noted}");
    let fleet = world.json(&["fleet", "payments"]).await;
    let types = &fleet["proxies"][0]["types"];
    let types = types.as_array().expect("types");
    let cds = types.iter().find(|one| one["state"] == "nacked");
    let error = &cds.expect("a rejected type")["error"];
    assert!(error.to_string().contains(COMPLAINT), "{fleet}");
    let before = rejections(&world, "cluster_manager.cds").await;

    // A switch, and a service with clusters of its own, while it is left there.
    let switch = Flip::run(&world, "green", &["switch", "fraud-model"]).await;
    let guest = service("guest", "/guest", target, &backends, "");
    world.apply(&guest, &[]).await.ok();
    for envoy in &world.envoys {
        let members = "^cluster.guest/blue.membership_total$";
        waiting::stat(envoy, members, |members| members == 2).await;
    }
    assert_eq!(rejections(&world, "cluster_manager.cds").await, before);

    // The correction arrives, and then all is well.
    let good = world
        .apply(&extra_cluster("1s"), &["--wait", "30s"])
        .await
        .ok();
    assert_eq!(good.json()["proxies"]["acked"], 2, "{good:?}");
    assert_eq!(rejections(&world, "cluster_manager.cds").await, before);

    let report = load.stop().await;
    all_answered(&report);
    only(
        &report,
        "green",
        switch.ran.returned,
        std::time::Instant::now(),
    );
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_comes_with_the_answer_to_the_correction_blames_the_right_revision() {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let target = world.listener.addr();

    // While this cluster warms, for the first health check to time out, Envoy withholds its answers about clusters.
    let cold = Cold::at(target, "interval: 1s, timeout: 5s").await;
    cold.warms(&world).await;
    let bad = world
        .apply(&extra_cluster("0s"), &["--on-nack", "halt"])
        .await
        .ok();
    let good = world
        .apply(&extra_cluster("1s"), &["--wait", "30s"])
        .await
        .ok();
    let good = good.json();
    assert_eq!(good["proxies"]["acked"], 2, "{good}");
    for envoy in &world.envoys {
        assert_eq!(
            waiting::sum(envoy, "^cluster.extra.membership_total$").await,
            0
        );
    }
    // Each Envoy was sent both and answered once: an error for the bad one, with the correction's version.
    assert_eq!(rejections(&world, "cluster_manager.cds").await, [1, 1]);
    let noted = entry(&world, &good["revision"]).await["notes"].to_string();
    assert!(!noted.contains("rejected"), "{noted}");
    let noted = entry(&world, &bad.json()["revision"]).await["notes"].to_string();
    assert!(noted.contains(COMPLAINT), "{noted}");
}

/// A listener and routes of the users' own, whose route leads to the service; `regex` is of another route.
fn edge(target: std::net::SocketAddr, regex: &str) -> String {
    let listener = document::http_listener("edge", target, RDS, &[]);
    let routes = format!(
        "    - \"@type\": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
      name: edge
      virtual_hosts:
        - name: edge
          domains: [\"*\"]
          routes:
            - match: {{ safe_regex: {{ regex: {regex:?} }} }}
              direct_response: {{ status: 200 }}
            - match: {{ prefix: / }}
              route: {{ cluster: \"service:fraud-model\", timeout: 2s }}
"
    );
    document::resources("edge", &[&listener, &routes])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_switch_is_taken_back() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let service = document::service("fraud-model", &[&environments(&backends)]);
    let adopted = service + &edge(target, "/a+");
    world.apply(&adopted, &[]).await.ok();
    world.fleet(2).await;
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);

    // The routes are of a kind that Envoy refuses, and stay so: every switch is a new version of them.
    let halt = ["--on-nack", "halt", "--wait", "30s"];
    let left = world.apply(&edge(target, "/(a"), &halt).await;
    assert_eq!(left.code, 8, "{left:?}");
    tells_who_and_why(&left, "missing )");
    let switch = ["switch", "fraud-model", "--force", "-o", "json"];
    let switch = world.cli(&switch).await;
    assert_eq!(switch.code, 7, "{switch:?}");
    tells_who_and_why(&switch, "missing )");
    assert_eq!(world.json(&["status", "fraud-model"]).await["live"], "blue");
    let message = "every proxy refuses each content once, and is not asked again";
    for envoy in &world.envoys {
        let rejected = waiting::stat(envoy, "\\.rds\\.edge\\.update_rejected$", |rejected| {
            rejected >= 2
        });
        assert_eq!(rejected.await, 2, "{message}");
    }

    world
        .apply(&edge(target, "/b+"), &["--wait", "30s"])
        .await
        .ok();
    let flip = Flip::run(&world, "green", &["switch", "fraud-model", "--force"]).await;
    assert_eq!(rejections(&world, "rds.edge").await, [2, 2], "{message}");
    let report = load.stop().await;
    all_answered(&report);
    only(&report, "blue", report.origin, flip.ran.started);
    only(
        &report,
        "green",
        flip.ran.returned,
        std::time::Instant::now(),
    );
    no_trouble(&world).await;
}

/// Envoy takes nothing of a response with a resource that is invalid in itself (seen with 1.40).
#[tokio::test(flavor = "multi_thread")]
async fn line_08_what_came_with_an_invalid_cluster_gets_its_requests() {
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let document = service("fraud-model", "/", target, &backends, "");
    world.apply(&document, &[]).await.ok();
    world.fleet(1).await;
    let others = Backends {
        blue: [Backend::start("other").await, Backend::start("other").await],
        ..Backends::start().await
    };
    let other = service("other", "/other", target, &others, "");
    let halt = ["--wait", "30s", "--on-nack", "halt"];
    let refused = world.apply(&(other + &extra_cluster("0s")), &halt).await;
    assert_eq!(refused.code, 8, "{refused:?}");
    let ask = async || http::get(target, "/other").await.expect("an answer");
    let answer = waiting::until("the other service", ask, |(_, body)| &body[..] == b"other").await;
    assert_eq!(answer.0, 200);
    assert_eq!(world.counter("no_cluster$").await, 0);
}
