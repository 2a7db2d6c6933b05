//! The `prometheus` check asks a real Prometheus that scrapes a real Envoy.

use std::{net::SocketAddr, path::Path, process::Stdio};

use bluegreen::{
    gates::{Context, measuring},
    model::check::{Measurement, Phase},
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    fixtures::{checks, context},
    support::{
        backend::Backend,
        document,
        load::{Load, Plan, Protocol, Shot},
        plane::PATIENCE,
        ports, waiting,
        world::World,
    },
};

/// Requests that the Envoy forwards to blue before it is asked.
const REQUESTS: usize = 40;

/// A running Prometheus. Dropped, it is killed.
struct Prometheus {
    address: SocketAddr,
    process: Child,
    _dir: TempDir,
}

impl Prometheus {
    /// Scrapes the admin port of that Envoy every second.
    async fn scraping(envoy: SocketAddr) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/get-prometheus");
        let found = Command::new(script).output().await.unwrap();
        let said = String::from_utf8_lossy(&found.stderr);
        assert!(found.status.success(), "no Prometheus: {said}");
        let binary = String::from_utf8(found.stdout).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: envoy
    metrics_path: /stats/prometheus
    static_configs: [{{ targets: [\"{envoy}\"] }}]
"
        );
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let address = ports::free().unwrap();
        let process = Command::new(binary.trim())
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            address,
            process,
            _dir: dir,
        }
    }

    /// What a check with these fields measures now.
    async fn measure(&self, context: &Context, fields: &str) -> Measurement {
        let yaml = format!(
            "- name: p\n  timeout: 10s\n  prometheus:\n    address: http://{}\n{fields}",
            self.address
        );
        let spec = checks(&yaml).remove(0).into();
        measuring(&spec).measure(context).await
    }

    /// What it measures once it measures this: it tells nobody when it has scraped.
    async fn until(&self, context: &Context, fields: &str, phase: Phase) -> Measurement {
        let ask = async || self.measure(context, fields).await;
        waiting::until(&phase.to_string(), ask, |measured| measured.phase == phase).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_that_scrapes_a_real_envoy_is_asked() {
    let backend = Backend::start("v1.2").await;
    let mut world = World::start().await;
    let listener = world.listener.addr();
    let document = document::service(
        "fraud-model",
        &[
            &document::listener(listener),
            &document::environments(&[backend.addr()], &[]),
        ],
    );
    world.apply(&document, &[]).await.ok();
    world.fleet(1).await;
    let load = Load::start(Plan {
        target: listener,
        protocol: Protocol::Http1,
        shots: vec![Shot::get("/score")],
        rate: 200,
        connections: 4,
        timeout: PATIENCE,
        limit: REQUESTS,
    });
    assert_eq!(load.finish().await.failures(), Default::default());

    let mut prometheus = Prometheus::scraping(world.envoys[0].admin()).await;
    // Blue is the candidate here: it is the one that has traffic.
    let mut context = context(("v1.2", vec![]), ("v1.3", vec![]));
    let target = std::sync::Arc::get_mut(&mut context.target).unwrap();
    target.candidate.cluster = "fraud-model/blue".to_owned();
    let counted = format!(
        "    query: sum(envoy_cluster_upstream_rq_total{{envoy_cluster_name=\"{{{{cluster}}}}\"}})
    successCondition: result[0] == {REQUESTS}
"
    );
    let measured = prometheus
        .until(&context, &counted, Phase::Successful)
        .await;
    assert_eq!(measured.values["result[0]"], REQUESTS as f64);
    let not = counted.replace("== 40", "> 40");
    let measured = prometheus.measure(&context, &not).await;
    assert_eq!(measured.phase, Phase::Failed, "{}", measured.message);
    assert_eq!(
        measured.message,
        "result is [40]: result[0] > 40 does not hold"
    );
    // The query of the manual: without any 5xx there is no such series.
    let rate = "    query: |
      (sum(rate(envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"{{cluster}}\",envoy_response_code_class=\"5\"}[1m])) or vector(0))
      / sum(rate(envoy_cluster_upstream_rq_total{envoy_cluster_name=\"{{cluster}}\"}[1m]))
    successCondition: result[0] < 0.01
    whenNaN: Successful
";
    prometheus.until(&context, rate, Phase::Successful).await;

    for (query, phase, expected) in [
        (
            "up{job=\"nobody\"}",
            Phase::Inconclusive,
            "the result is an empty vector",
        ),
        (
            "vector(0) / vector(0)",
            Phase::Inconclusive,
            "1 of 1 numbers are NaN",
        ),
        ("up[1m]", Phase::Error, "the query gives a matrix"),
        ("sum(", Phase::Error, "refused the query (bad_data)"),
    ] {
        let measured = prometheus
            .measure(&context, &format!("    query: '{query}'\n"))
            .await;
        assert_eq!(measured.phase, phase, "{query}: {}", measured.message);
        assert!(
            measured.message.contains(expected),
            "{query}: {}",
            measured.message
        );
    }
    prometheus.process.kill().await.unwrap();
    let measured = prometheus.measure(&context, &counted).await;
    assert_eq!(measured.phase, Phase::Error);
    assert!(
        measured.message.contains("can't connect"),
        "{}",
        measured.message
    );
}
