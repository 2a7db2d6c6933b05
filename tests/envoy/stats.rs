//! What Envoys report of their traffic is what was sent through them.

use serde_json::Value;

use crate::{
    fixtures::{Backends, Flip, load, world_with},
    support::{
        backend::Backend,
        load::{Failure, Load, Plan, Protocol, Report, Shot},
        waiting,
        world::World,
    },
    versions,
};

/// How often the Envoys of these tests report.
const INTERVAL: &str = "200ms";

/// So many requests are sent and counted.
const REQUESTS: usize = 300;

/// Over so many connections.
const CONNECTIONS: usize = 16;

/// What the backends tell with their answers.
const SCORE: &str = "named_metrics.fraud_score";

/// A service with two Envoys that report on all of it.
async fn world(backends: &Backends) -> World {
    let settings = [("BLUEGREEN_LOAD_REPORT_INTERVAL", INTERVAL)];
    let world = world_with(backends, "", &settings).await;
    // Envoy counts a cluster from the first report after the one during which it came.
    for _ in 0..2 {
        let before = last_reports(&stats(&world).await);
        let ask = async || last_reports(&stats(&world).await);
        waiting::until("another report of each", ask, |now| {
            now.len() == 2 && now.iter().all(|at| !at.is_empty() && !before.contains(at))
        })
        .await;
    }
    world
}

async fn stats(world: &World) -> Value {
    world.json(&["fleet", "--stats", "payments"]).await
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn last_reports(stats: &Value) -> Vec<String> {
    let proxies = list(&stats["proxies"]).iter();
    proxies
        .map(|proxy| proxy["lastReport"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A cluster as it was reported; null if it had no traffic.
fn cluster<'a>(clusters: &'a Value, name: &str) -> &'a Value {
    let mut named = list(clusters).iter().filter(|one| one["cluster"] == name);
    named.next().unwrap_or(&Value::Null)
}

/// A metric of a cluster: how many answers told it, and the mean.
fn metric(cluster: &Value, name: &str) -> (u64, f64) {
    let mut named = list(&cluster["metrics"])
        .iter()
        .filter(|m| m["name"] == name);
    let metric = named.next().unwrap_or(&Value::Null);
    (
        metric["count"].as_u64().unwrap_or_default(),
        metric["mean"].as_f64().unwrap_or_default(),
    )
}

/// Sends that many requests.
async fn send(world: &World, path: &str) -> Report {
    let plan = Plan {
        target: world.listener.addr(),
        protocol: Protocol::Http1,
        shots: vec![Shot::get(path)],
        rate: 400,
        connections: CONNECTIONS,
        timeout: std::time::Duration::from_secs(15),
        limit: REQUESTS,
    };
    Load::start(plan).finish().await
}

/// How the Envoys of this run report requests that are over.
struct Ends {
    /// Of each [`send`], so many of the last that ended may never be reported.
    lost: u64,
}

impl Ends {
    async fn known() -> Self {
        let none = versions::is_at_least(versions::REPORTS_WHAT_IS_LEFT).await;
        let lost = if none { 0 } else { CONNECTIONS as u64 };
        Self { lost }
    }

    /// All of them, but for those.
    fn are(&self, seen: u64, sent: usize) -> bool {
        let (sent, sends) = (sent as u64, (sent / REQUESTS) as u64);
        seen <= sent && seen + self.lost * sends >= sent
    }

    /// Waits until so many requests of a cluster have been reported, and have ended with so many answers that told
    /// their score. Gives all that is reported then.
    async fn reported(&self, world: &World, name: &str, requests: usize, scores: usize) -> Value {
        let ask = async || stats(world).await;
        waiting::until("every request reported", ask, |stats| {
            let cluster = cluster(&stats["clusters"], name);
            let ended = number(cluster, "successful") + number(cluster, "errors");
            let (answers, _) = metric(cluster, SCORE);
            cluster["requests"] == requests
                && number(cluster, "inProgress") <= self.lost
                && self.are(ended, requests)
                && self.are(answers, scores)
        })
        .await
    }
}

fn number(cluster: &Value, field: &str) -> u64 {
    cluster[field].as_u64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn line_35_what_is_reported_is_what_was_sent() {
    let backends = Backends::start().await;
    let world = world(&backends).await;

    let ends = Ends::known().await;
    let report = send(&world, "/score/0.75").await;
    assert_eq!(report.failures(), Default::default());
    let sent = report.samples.len();
    assert_eq!(sent, REQUESTS);
    let first = ends.reported(&world, "fraud-model/blue", sent, sent).await;
    let blue = cluster(&first["clusters"], "fraud-model/blue");
    assert_eq!(blue["errors"], 0);
    assert_eq!(blue["successRate"], 1.0);
    assert_eq!(
        (&blue["version"], &blue["role"]),
        (&"v1".into(), &"live".into())
    );
    let (answers, mean) = metric(blue, SCORE);
    assert_eq!(mean, 0.75);
    assert_eq!(metric(blue, "cpu_utilization"), (answers, 0.5));
    assert!(
        cluster(&first["clusters"], "fraud-model/green").is_null(),
        "{first}"
    );

    // What each proxy reports adds up to the same.
    assert_eq!(
        (&first["reporting"], &first["connected"]),
        (&2.into(), &2.into())
    );
    let of_proxies = list(&first["proxies"]).iter();
    let of_proxies = of_proxies.map(|proxy| cluster(&proxy["clusters"], "fraud-model/blue"));
    let sum = of_proxies.fold((0, 0), |(requests, answers), cluster| {
        let (count, _) = metric(cluster, SCORE);
        (requests + number(cluster, "requests"), answers + count)
    });
    assert_eq!(sum, (sent as u64, answers), "{first}");

    // Errors are the environment's answers of 5xx, as the load generator saw them.
    let failed = send(&world, "/status/503").await;
    let failures = failed.failures()[&Failure::Status(503)];
    assert_eq!(failures, REQUESTS);
    let all = sent + failures;
    let second = ends.reported(&world, "fraud-model/blue", all, sent).await;
    let blue = cluster(&second["clusters"], "fraud-model/blue");
    let (successful, errors) = (number(blue, "successful"), number(blue, "errors"));
    assert!(ends.are(successful, sent), "{second}");
    assert!(ends.are(errors, failures), "{second}");
    let share = successful as f64 / (successful + errors) as f64;
    assert_eq!(blue["successRate"], share);

    // The new environment is counted by itself, and a window holds nothing older.
    Flip::run(&world, "green", &["switch", "fraud-model"]).await;
    let report = send(&world, "/score/0.25").await;
    assert_eq!(report.failures(), Default::default());
    let sent = report.samples.len();
    let third = ends.reported(&world, "fraud-model/green", sent, sent).await;
    let green = cluster(&third["clusters"], "fraud-model/green");
    assert_eq!(metric(green, SCORE).1, 0.25);
    let blue = cluster(&third["clusters"], "fraud-model/blue");
    assert_eq!(blue["requests"], all, "{third}");
    let window = ["fleet", "--stats", "proxy-1", "--since", "1ms"];
    let window = world.json(&window).await;
    for of_proxy in list(&window["proxies"][0]["clusters"]) {
        assert_eq!(of_proxy["requests"], 0, "{window}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn line_35_requests_that_stay_open_on_the_old_environment_are_seen_until_they_end() {
    let mut backends = Backends::start().await;
    backends.blue = [Backend::start("blue").await, Backend::start("blue").await];
    let world = world(&backends).await;
    let target = world.listener.addr();
    let long = load(target, Protocol::Http1, 1, vec![Shot::get("/delay/4000")]);
    let open = async |name: &str, wanted: &dyn Fn(u64) -> bool| {
        let ask = async || stats(&world).await;
        waiting::until("as many in progress", ask, |stats| {
            let cluster = cluster(&stats["clusters"], name);
            wanted(cluster["inProgress"].as_u64().unwrap_or_default())
        })
        .await
    };
    open("fraud-model/blue", &|count| count >= 1).await;
    Flip::run(&world, "green", &["switch", "fraud-model"]).await;
    let after = open("fraud-model/green", &|count| count >= 1).await;
    // No more requests begin there.
    if versions::is_at_least(versions::REPORTS_WHAT_STAYS_OPEN).await {
        let blue = cluster(&after["clusters"], "fraud-model/blue");
        assert!(blue["inProgress"].as_u64() >= Some(1), "{after}");
    }
    open("fraud-model/blue", &|count| count == 0).await;
    let report = long.stop().await;
    assert_eq!(report.failures(), Default::default());
    open("fraud-model/green", &|count| count == 0).await;
}
