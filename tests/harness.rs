//! The harness itself: a generator that overlooks a failure, or an Envoy that is not asked what was meant, would make
//! every test above it worthless.

mod support;

use std::time::{Duration, Instant};

use support::{
    backend::Backend,
    bidi::Bidi,
    envoy::{self, Envoy},
    load::{Failure, Load, Plan, Protocol, Shot},
    ports::{self, ReservedPort},
};

fn plan(target: std::net::SocketAddr, protocol: Protocol) -> Plan {
    Plan {
        target,
        protocol,
        shots: vec![Shot::get("/"), Shot::post("/", "{\"amount\":12}").echoed()],
        rate: 500,
        connections: 4,
        timeout: Duration::from_secs(10),
        limit: 200,
    }
}

/// Waits until so many requests of a load have ended.
async fn ended(load: &Load, requests: usize) {
    while load.samples().len() < requests {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn load_counts_every_answer_by_version() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let backend = Backend::start("v1").await;
        let load = Load::start(plan(backend.addr(), protocol));
        let report = load.finish().await;
        assert_eq!(
            report.failures().len(),
            0,
            "{protocol:?}: {:?}",
            report.failures()
        );
        assert_eq!(report.versions().get("v1"), Some(&200), "{protocol:?}");
        assert_eq!(backend.requests(), 200, "{protocol:?}");
        assert_eq!(report.sent_after(report.origin, "v1"), 200);
        assert_eq!(report.sent_after(Instant::now(), "v1"), 0);
    }
}

#[tokio::test]
async fn load_overlooks_no_backend_that_goes_away() {
    let backend = Backend::start("v1").await;
    let load = Load::start(Plan {
        limit: 100_000,
        ..plan(backend.addr(), Protocol::Http1)
    });
    ended(&load, 50).await;
    backend.stop().await;
    let answered = load.samples().len();
    ended(&load, answered + 50).await;
    let report = load.stop().await;
    let refused = report.failures().get(&Failure::Connect).copied();
    assert!(
        refused.is_some_and(|refused| refused >= 40),
        "{:?}",
        report.failures()
    );
}

#[tokio::test]
async fn load_is_late_in_its_own_numbers_when_the_server_is_slow() {
    // One connection, 20 ms an answer, 10 requests due within 20 ms: the last must have waited for the others.
    let backend = Backend::slow("v1", Duration::from_millis(20)).await;
    let load = Load::start(Plan {
        connections: 1,
        limit: 10,
        ..plan(backend.addr(), Protocol::Http1)
    });
    let report = load.finish().await;
    assert!(
        report.latency(1.0) >= Some(Duration::from_millis(150)),
        "{:?}",
        report.latency(1.0)
    );
}

#[tokio::test]
async fn a_stream_stays_open_until_it_is_ended() {
    let backend = Backend::start("blue").await;
    let mut stream = Bidi::open(backend.addr(), "/stream").await.unwrap();
    assert_eq!(stream.label(), "blue");
    stream.echo(b"one").await.unwrap();
    stream.echo(b"two").await.unwrap();
    stream.finish().await.unwrap();

    let mut stream = Bidi::open(backend.addr(), "/stream").await.unwrap();
    backend.stop().await;
    stream.echo(b"three").await.unwrap_err();
}

#[test]
fn a_reserved_port_is_shared_only_by_those_who_say_so() {
    let reserved = ReservedPort::take().unwrap();
    std::net::TcpListener::bind(reserved.addr()).unwrap_err();
    let others: Vec<_> = (0..50).map(|_| ReservedPort::take().unwrap()).collect();
    assert!(others.iter().all(|other| other.addr() != reserved.addr()));
    assert_ne!(ports::free().unwrap(), reserved.addr());
    let sharing = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    sharing.set_reuse_port(true).unwrap();
    sharing.bind(&reserved.addr().into()).unwrap();
    sharing.listen(1).unwrap();
}

/// The bootstrap that users copy starts, and keeps a proxy without a control plane from being ready.
#[tokio::test]
async fn envoy_starts_with_the_shipped_bootstrap_and_waits_for_the_control_plane() {
    let dir = tempfile::tempdir().unwrap();
    let binary = envoy::binary().await.unwrap();
    let bootstrap = envoy::bootstrap(ports::free().unwrap()).unwrap();
    let envoy = Envoy::start(&binary, &bootstrap, "proxy-1", "payments", dir.path())
        .await
        .unwrap();
    assert_eq!(envoy.node(), "proxy-1");
    let info: serde_json::Value =
        serde_json::from_str(&envoy.ask("/server_info").await.unwrap()).unwrap();
    assert_eq!(info["node"]["id"], "proxy-1");
    assert_eq!(info["node"]["cluster"], "payments");
    assert_ne!(info["state"], "LIVE");
    // It keeps asking: the stream cannot be had, and every attempt is counted.
    let attempts = "cluster.bluegreen.upstream_cx_connect_fail";
    while envoy.stats(attempts).await.unwrap()[attempts] < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    envoy.kill().await;
}

#[tokio::test]
async fn envoy_accepts_the_shipped_bootstrap_and_warns_of_nothing() {
    let binary = envoy::binary().await.unwrap();
    let output = tokio::process::Command::new(binary)
        .args(["--mode", "validate", "--log-level", "warning"])
        .args(["--service-node", "proxy-1", "--service-cluster", "payments"])
        .args([
            "--config-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/bootstrap.yaml"),
        ])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("[warning]"), "{said}");
}
