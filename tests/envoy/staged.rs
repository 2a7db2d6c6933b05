//! What happens to the staged environment before the switch counts: endpoints that were replaced get nothing, dead
//! ones are noticed.

use crate::{
    fixtures::{Backends, Flip, all_answered, endpoints, load, no_trouble, proven, world},
    support::{
        backend::Backend,
        load::{Protocol, Shot},
        waiting,
    },
};

/// Often enough that nobody waits for it, and a second for an answer, since the machine may be busy.
const HEALTH_CHECK: &str =
    "  cluster: { healthCheck: { path: /healthz, interval: 200ms, timeout: 1s } }";

#[tokio::test(flavor = "multi_thread")]
async fn line_31_endpoints_that_were_replaced_while_staged_get_no_request() {
    let backends = Backends::start().await;
    let world = world(&backends, HEALTH_CHECK).await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);

    // The replaced ones stay up and pass their health checks.
    let later = Backend::start("later").await;
    let address = later.addr().to_string();
    let scale = ["scale", "fraud-model", "green", "--endpoint", &address];
    world.json(&scale).await;
    let switch = Flip::run(&world, "later", &["switch", "fraud-model"]).await;

    // The same with another version: blue is given up, and gets another backend.
    let newest = Backend::start("newest").await;
    let address = newest.addr().to_string();
    world.json(&["retire", "fraud-model"]).await;
    let deploy = ["deploy", "fraud-model", "--version", "v3", "--endpoint"];
    let first = [&deploy[..], &[&address]].concat();
    world.json(&first).await;
    let replaced = Backend::start("replacement").await;
    let address = replaced.addr().to_string();
    let deploy = ["deploy", "fraud-model", "--version", "v4", "--endpoint"];
    world.json(&[&deploy[..], &[&address]].concat()).await;
    let again = Flip::run(&world, "replacement", &["switch", "fraud-model"]).await;
    let back = Flip::run(&world, "later", &["rollback", "fraud-model"]).await;

    let report = load.stop().await;
    all_answered(&report);
    proven(&report, &[switch, again, back]);
    for replaced in backends.green.iter().chain([&newest]) {
        assert_eq!(replaced.requests(), 0, "of a replaced endpoint");
    }
    assert!(later.requests() > 0 && replaced.requests() > 0);
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_31_a_staged_endpoint_that_died_refuses_the_switch_and_gets_no_request() {
    let Backends { blue, green } = Backends::start().await;
    let backends = Backends { blue, green };
    let world = world(&backends, HEALTH_CHECK).await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);

    let all = endpoints(&backends.green);
    let [dies, stays] = backends.green;
    let dead = dies.addr().to_string();
    dies.stop().await;

    let refused = world.cli(&["switch", "fraud-model", "-o", "json"]).await;
    assert_eq!(refused.code, 22, "{refused:?}");
    let answer = refused.json();
    assert_eq!(answer["reason"], "endpoint-unreachable");
    let message = answer["message"].as_str().expect("a message");
    assert!(message.contains(&dead), "{message} of {all}");
    assert_eq!(world.json(&["status", "fraud-model"]).await["live"], "blue");

    // Every proxy finds out by itself, although the cluster has no traffic.
    for envoy in &world.envoys {
        let healthy = "^cluster.fraud-model/green.membership_healthy$";
        waiting::stat(envoy, healthy, |healthy| healthy == 1).await;
    }
    let switch = ["switch", "fraud-model", "--skip-probe"];
    let switch = Flip::run(&world, "green", &switch).await;
    let history = world.json(&["history", "fraud-model"]).await;
    assert_eq!(history[0]["waived"][0], "endpoint-unreachable", "{history}");
    let back = Flip::run(&world, "blue", &["rollback", "fraud-model"]).await;

    let report = load.stop().await;
    all_answered(&report);
    proven(&report, &[switch, back]);
    assert!(stays.requests() > 0);
    no_trouble(&world).await;
}
