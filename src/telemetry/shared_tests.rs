//! Reports of several proxies, added up.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use prost::Message;

use super::*;
use crate::telemetry::{
    Metric,
    book::{MAX_CLUSTERS, MAX_METRICS, MAX_NAME},
    wire::{LocalityStats, NamedMetric, UnnamedMetric},
};

const A: StreamId = StreamId(1);
const B: StreamId = StreamId(2);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn telemetry() -> Telemetry {
    let telemetry = Telemetry::new(|| at(0), || {});
    telemetry.open(A, "edge-1", at(0));
    telemetry.open(B, "edge-2", at(0));
    telemetry
}

fn locality(successful: u64, errors: u64, in_progress: u64) -> LocalityStats {
    LocalityStats {
        total_issued_requests: successful + errors,
        total_successful_requests: successful,
        total_error_requests: errors,
        total_requests_in_progress: in_progress,
        ..LocalityStats::default()
    }
}

fn named(name: &str, count: u64, sum: f64) -> NamedMetric {
    NamedMetric {
        metric_name: name.to_owned(),
        num_requests_finished_with_metric: count,
        total_metric_value: sum,
    }
}

/// A report over the last ten seconds.
fn stats(cluster: &str, localities: &[LocalityStats]) -> ClusterStats {
    ClusterStats {
        cluster_name: cluster.to_owned(),
        upstream_locality_stats: localities.to_vec(),
        total_dropped_requests: 0,
        load_report_interval: Some(prost_types::Duration {
            seconds: 10,
            nanos: 0,
        }),
    }
}

fn counts(load: &Load) -> (u64, u64, u64, u64) {
    (load.issued, load.successful, load.errors, load.in_progress)
}

#[test]
fn localities_proxies_and_intervals_are_added_up_and_requests_in_progress_are_those_of_now() {
    let telemetry = telemetry();
    let blue = [locality(3, 1, 2), locality(4, 0, 1)];
    telemetry.report(A, &[stats("fraud/blue", &blue)], at(10));
    telemetry.report(A, &[stats("fraud/blue", &[locality(2, 0, 1)])], at(20));
    telemetry.report(B, &[stats("fraud/blue", &[locality(10, 5, 4)])], at(15));
    let load = telemetry.cluster("fraud/blue", None).unwrap();
    assert_eq!(counts(&load), (25, 19, 6, 5));
    assert_eq!(load.success_rate(), Some(19.0 / 25.0));
    assert_eq!((load.since, load.last_report), (at(0), Some(at(20))));
    let proxies = telemetry.proxies(None);
    assert_eq!(proxies.len(), 2);
    assert_eq!(&*proxies[0].proxy, "edge-1");
    assert_eq!(proxies[0].last_report, Some(at(20)));
    assert_eq!(counts(&proxies[0].clusters[0].load), (10, 9, 1, 1));
    assert_eq!(counts(&proxies[1].clusters[0].load), (15, 10, 5, 4));
    assert_eq!(telemetry.proxy("edge-2", None).as_ref(), proxies.get(1));
    assert_eq!(telemetry.proxy("edge-3", None), None);
    assert_eq!(telemetry.cluster("fraud/green", None), None);
}

#[test]
fn what_is_no_longer_reported_is_no_longer_in_progress() {
    let telemetry = telemetry();
    let open = |cluster| telemetry.cluster(cluster, None).unwrap().in_progress;
    let both = [
        stats("blue", &[locality(0, 0, 3)]),
        stats("green", &[locality(0, 0, 1)]),
    ];
    telemetry.report(A, &both, at(10));
    telemetry.report(B, &both, at(10));
    assert_eq!((open("blue"), open("green")), (6, 2));
    // Idle, and not named at all.
    telemetry.report(A, &[stats("blue", &[])], at(20));
    assert_eq!((open("blue"), open("green")), (3, 1));
    // Nobody knows what a proxy has open that does not report.
    telemetry.close(B, at(21));
    assert_eq!((open("blue"), open("green")), (0, 0));
    assert_eq!(telemetry.reporting(), 1);
}

#[test]
fn several_streams_of_one_proxy_count_together() {
    let telemetry = telemetry();
    let second = StreamId(3);
    telemetry.open(second, "edge-1", at(1));
    telemetry.report(A, &[stats("blue", &[locality(1, 0, 2)])], at(10));
    telemetry.report(second, &[stats("blue", &[locality(1, 0, 3)])], at(11));
    let proxy = telemetry.proxy("edge-1", None).unwrap();
    assert_eq!(proxy.streams, 2);
    assert_eq!(counts(&proxy.clusters[0].load), (2, 2, 0, 5));
    telemetry.close(A, at(12));
    let proxy = telemetry.proxy("edge-1", None).unwrap();
    assert_eq!(proxy.streams, 1);
    assert_eq!(counts(&proxy.clusters[0].load), (2, 2, 0, 3));
}

#[test]
fn orca_metrics_have_a_count_and_a_sum_wherever_the_proxy_puts_them() {
    let telemetry = telemetry();
    let scores = LocalityStats {
        load_metric_stats: vec![
            named("named_metrics.fraud_score", 4, 3.0),
            named("cpu_utilization", 4, 2.0),
            named("named_metrics.broken", 1, f64::NAN),
        ],
        ..locality(4, 0, 0)
    };
    let unnamed = LocalityStats {
        load_metric_stats: vec![named("named_metrics.fraud_score", 1, 0.5)],
        cpu_utilization: Some(UnnamedMetric {
            num_requests_finished_with_metric: 1,
            total_metric_value: 1.0,
        }),
        ..locality(1, 0, 0)
    };
    telemetry.report(A, &[stats("blue", &[scores])], at(10));
    telemetry.report(B, &[stats("blue", &[unnamed])], at(10));
    let load = telemetry.cluster("blue", None).unwrap();
    let metrics: Vec<_> = load.metrics.iter().map(|(n, m)| (&**n, *m)).collect();
    assert_eq!(
        metrics,
        [
            ("cpu_utilization", Metric::new(5, 3.0)),
            ("named_metrics.fraud_score", Metric::new(5, 3.5)),
        ]
    );
    assert_eq!(telemetry.left_out().metrics, 1);
}

#[test]
fn a_window_counts_reports_that_cover_nothing_older() {
    let telemetry = telemetry();
    for end in [10, 20, 30] {
        telemetry.report(A, &[stats("blue", &[locality(1, 0, 0)])], at(end));
    }
    let issued = |since| telemetry.cluster("blue", Some(since)).unwrap().issued;
    assert_eq!(issued(at(0)), 3);
    assert_eq!(issued(at(1)), 2);
    assert_eq!(issued(at(10)), 2);
    assert_eq!(issued(at(20)), 1);
    assert_eq!(issued(at(21)), 0);
    // A proxy's buckets are wider, and the answer says so.
    let proxy = telemetry.proxy("edge-1", Some(at(11))).unwrap();
    let load = &proxy.clusters[0].load;
    assert_eq!((load.issued, load.since), (1, at(20)));
}

#[test]
fn a_report_without_a_period_covers_the_time_since_the_one_before() {
    let telemetry = telemetry();
    let bare = ClusterStats {
        load_report_interval: None,
        ..stats("blue", &[locality(1, 0, 0)])
    };
    telemetry.report(A, std::slice::from_ref(&bare), at(10));
    telemetry.report(A, &[bare], at(30));
    let issued = |since| telemetry.cluster("blue", Some(since)).unwrap().issued;
    assert_eq!((issued(at(10)), issued(at(11))), (2, 0));
}

#[test]
fn proxies_that_are_gone_are_forgotten_and_stay_in_the_sums_of_the_clusters() {
    let telemetry = telemetry();
    telemetry.report(A, &[stats("blue", &[locality(1, 0, 0)])], at(10));
    telemetry.report(B, &[stats("blue", &[locality(2, 0, 0)])], at(10));
    let names = || -> Vec<_> {
        let proxies = telemetry.proxies(None).into_iter();
        proxies.map(|proxy| proxy.proxy.to_string()).collect()
    };
    telemetry.close(A, at(20));
    telemetry.expire(at(50), Duration::from_secs(31));
    telemetry.forget("edge-2");
    assert_eq!(names(), ["edge-1", "edge-2"]);
    telemetry.expire(at(50), Duration::from_secs(30));
    assert_eq!(names(), ["edge-2"]);
    assert_eq!(telemetry.cluster("blue", None).unwrap().issued, 3);
    // Who never told of anything leaves nothing behind.
    telemetry.open(A, "edge-9", at(60));
    telemetry.close(A, at(61));
    assert_eq!(names(), ["edge-2"]);
    // A report on a stream that has ended is nobody's.
    telemetry.report(A, &[stats("blue", &[locality(1, 0, 0)])], at(62));
    assert_eq!(telemetry.cluster("blue", None).unwrap().issued, 3);
}

#[test]
fn made_up_names_fill_no_memory() {
    let telemetry = telemetry();
    let clusters: Vec<_> = (0..MAX_CLUSTERS + 10)
        .map(|n| stats(&format!("cluster-{n}"), &[locality(1, 0, 0)]))
        .collect();
    telemetry.report(A, &clusters, at(10));
    assert_eq!(telemetry.clusters(None).len(), MAX_CLUSTERS);
    assert_eq!(telemetry.left_out().clusters, 10);
    let many = LocalityStats {
        load_metric_stats: (0..MAX_METRICS + 5)
            .map(|n| named(&format!("named_metrics.{n}"), 1, 1.0))
            .chain([named(&"x".repeat(MAX_NAME + 1), 1, 1.0)])
            .collect(),
        ..locality(1, 0, 0)
    };
    telemetry.report(A, &[stats("cluster-1", &[many])], at(20));
    let load = telemetry.cluster("cluster-1", None).unwrap();
    assert_eq!(load.metrics.len(), MAX_METRICS);
    assert_eq!(telemetry.left_out().metrics, 6);
    // Time takes the clusters away that nobody uses, and then there is room for others.
    telemetry.report(A, &[stats("cluster-1", &[locality(1, 0, 0)])], at(20_000));
    telemetry.expire(at(20_000), Duration::from_secs(600));
    assert_eq!(telemetry.clusters(None).len(), 1);
}

#[test]
fn the_observer_hears_of_every_report() {
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = heard.clone();
    let telemetry = Telemetry::new(
        || at(0),
        move || {
            counter.fetch_add(1, Ordering::Relaxed);
        },
    );
    telemetry.open(A, "edge-1", at(0));
    telemetry.report(A, &[], at(1));
    telemetry.close(A, at(2));
    assert_eq!(heard.load(Ordering::Relaxed), 3);
}

#[test]
fn a_report_as_envoy_sends_it_is_read() {
    use envoy_types::pb::{
        envoy::config::endpoint::v3 as envoy, google::protobuf::Duration as PbDuration,
    };
    let sent = envoy::ClusterStats {
        cluster_name: "fraud/blue".into(),
        cluster_service_name: "elsewhere".into(),
        total_dropped_requests: 7,
        load_report_interval: Some(PbDuration {
            seconds: 2,
            nanos: 500_000_000,
        }),
        upstream_locality_stats: vec![envoy::UpstreamLocalityStats {
            total_successful_requests: 1,
            total_requests_in_progress: 2,
            total_error_requests: 3,
            total_issued_requests: 4,
            load_metric_stats: vec![envoy::EndpointLoadMetricStats {
                metric_name: "named_metrics.x".into(),
                num_requests_finished_with_metric: 5,
                total_metric_value: 6.0,
            }],
            mem_utilization: Some(envoy::UnnamedEndpointLoadMetricStats {
                num_requests_finished_with_metric: 8,
                total_metric_value: 9.0,
            }),
            priority: 10,
            ..Default::default()
        }],
        ..Default::default()
    };
    let read = ClusterStats::decode(&sent.encode_to_vec()[..]).unwrap();
    assert_eq!(read.period(), Some(Duration::from_millis(2_500)));
    let telemetry = telemetry();
    telemetry.report(A, &[read], at(10));
    let load = telemetry.cluster("fraud/blue", None).unwrap();
    assert_eq!(counts(&load), (4, 1, 3, 2));
    assert_eq!(load.dropped, 7);
    assert_eq!(load.metrics["named_metrics.x"], Metric::new(5, 6.0));
    assert_eq!(load.metrics["mem_utilization"], Metric::new(8, 9.0));
}
