//! Load reports over real sockets: who reports, what is kept, and how a stream ends.

use std::{net::SocketAddr, time::Duration};

use bluegreen::xds::server::{FleetBy, Options};
use envoy_types::pb::envoy::{
    config::{
        core::v3::Node,
        endpoint::v3::{ClusterStats, UpstreamLocalityStats},
    },
    service::load_stats::v3::{
        LoadStatsRequest, LoadStatsResponse,
        load_reporting_service_client::LoadReportingServiceClient,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::support::{
    plane::{Fleets, PATIENCE, Plane},
    xds_client::{channel, node},
};

const FLEET: &str = "payments";

/// One stream of reports.
struct Reporter {
    reports: mpsc::Sender<LoadStatsRequest>,
    answers: Streaming<LoadStatsResponse>,
}

impl Reporter {
    async fn open(server: SocketAddr, node: Option<Node>) -> Self {
        let mut lrs = LoadReportingServiceClient::new(channel(server).await);
        let (reports, stream) = mpsc::channel(4);
        let first = LoadStatsRequest {
            node,
            ..Default::default()
        };
        reports.send(first).await.unwrap();
        let answer = lrs.stream_load_stats(ReceiverStream::new(stream)).await;
        Self {
            reports,
            answers: answer.unwrap().into_inner(),
        }
    }

    async fn answer(&mut self) -> Result<Option<LoadStatsResponse>, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.answers.message());
        answer.await.expect("the server said nothing")
    }

    async fn report(&self, cluster: &str, successful: u64, in_progress: u64) {
        let locality = UpstreamLocalityStats {
            total_issued_requests: successful,
            total_successful_requests: successful,
            total_requests_in_progress: in_progress,
            ..Default::default()
        };
        let report = LoadStatsRequest {
            cluster_stats: vec![ClusterStats {
                cluster_name: cluster.to_owned(),
                upstream_locality_stats: vec![locality],
                ..Default::default()
            }],
            ..Default::default()
        };
        self.reports.send(report).await.unwrap();
    }
}

/// Requests of a cluster, and those in progress; zero before anything was reported.
fn counts(fleets: &Fleets, cluster: &str) -> (u64, u64) {
    let load = fleets.telemetry(FLEET).cluster(cluster, None);
    load.map_or((0, 0), |load| (load.issued, load.in_progress))
}

#[tokio::test]
async fn line_35_reports_are_asked_for_of_all_clusters_and_added_up() {
    let options = Options {
        load_report_interval: Duration::from_millis(2_500),
        ..Options::default()
    };
    let fleets = Fleets::default().served_with(options);
    let plane = Plane::start(&fleets).await;
    let mut edge = Reporter::open(plane.address, Some(node("edge-1", FLEET))).await;
    let answer = edge.answer().await.unwrap().unwrap();
    assert!(answer.send_all_clusters);
    let interval = answer.load_reporting_interval.unwrap();
    assert_eq!((interval.seconds, interval.nanos), (2, 500_000_000));
    edge.report("fraud/blue", 3, 2).await;
    edge.report("fraud/blue", 4, 1).await;
    // The same proxy again: a reconnect whose old stream is not gone yet, or two that share a name.
    let again = Reporter::open(plane.address, Some(node("edge-1", FLEET))).await;
    again.report("fraud/blue", 5, 3).await;
    fleets
        .until_reported(FLEET, "all three reports", |_| {
            counts(&fleets, "fraud/blue") == (12, 4)
        })
        .await;
    // A stream that ends takes what it said of now with it, and nothing of what it counted.
    drop(edge.reports);
    assert!(
        edge.answers.message().await.unwrap().is_none(),
        "it ends when the proxy ends it"
    );
    fleets
        .until_reported(FLEET, "one stream", |_| {
            counts(&fleets, "fraud/blue") == (12, 3)
        })
        .await;
    let proxies = fleets.telemetry(FLEET).proxies(None);
    assert_eq!(proxies.len(), 1);
    assert_eq!((&*proxies[0].proxy, proxies[0].streams), ("edge-1", 1));
}

#[tokio::test]
async fn a_reporter_says_who_it_is_as_any_proxy_does() {
    let options = Options {
        fleet_by: FleetBy::Id,
        ..Options::default()
    };
    let fleets = Fleets::default().reject_unknown().served_with(options);
    fleets.change(FLEET, |_| {});
    let plane = Plane::start(&fleets).await;
    let mut nobody = Reporter::open(plane.address, None).await;
    let refused = nobody.answer().await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("--service-node"), "{refused}");
    let mut stranger = Reporter::open(plane.address, Some(node("other", FLEET))).await;
    assert_eq!(stranger.answer().await.unwrap_err().code(), Code::NotFound);
    let mut known = Reporter::open(plane.address, Some(node(FLEET, ""))).await;
    assert!(known.answer().await.unwrap().unwrap().send_all_clusters);
}

#[tokio::test]
async fn report_streams_end_cleanly_when_the_server_stops() {
    let fleets = Fleets::default();
    let plane = Plane::start(&fleets).await;
    let mut edge = Reporter::open(plane.address, Some(node("edge-1", FLEET))).await;
    assert!(edge.answer().await.unwrap().is_some());
    plane.stop().await;
    assert!(edge.answer().await.unwrap().is_none());
    assert_eq!(fleets.telemetry(FLEET).reporting(), 0);
}
