//! `LoadReportingService`: asks proxies for reports of all clusters, and hands them to the telemetry of their fleet.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{
    Request, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, StreamingService},
};
use tower::Service;
use tracing::debug;

use super::{
    Directory, Meters,
    node::{FleetBy, Node, identify},
};
use crate::telemetry::{ClusterStats, StreamId, Telemetry};

/// A report names every cluster of the proxy: thousands of them, with their metrics, fit many times.
const MAX_REPORT: usize = 16 * 1024 * 1024;

/// `envoy.service.load_stats.v3.LoadStatsRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LoadStatsRequest {
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    #[prost(message, repeated, tag = "2")]
    pub cluster_stats: Vec<ClusterStats>,
}

/// `envoy.service.load_stats.v3.LoadStatsResponse`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct LoadStatsResponse {
    #[prost(message, optional, tag = "2")]
    pub load_reporting_interval: Option<prost_types::Duration>,
    #[prost(bool, tag = "4")]
    pub send_all_clusters: bool,
}

/// Serves `envoy.service.load_stats.v3.LoadReportingService`.
#[derive(Clone)]
pub(super) struct LoadReports(Arc<Shared>);

struct Shared {
    directory: Arc<dyn Directory>,
    fleet_by: FleetBy,
    interval: Duration,
    meters: Arc<Meters>,
    closing: watch::Receiver<bool>,
    /// Streams opened since the start.
    opened: AtomicU64,
}

impl LoadReports {
    /// Proxies are asked for a report every `interval`.
    pub(super) fn new(
        directory: Arc<dyn Directory>,
        fleet_by: FleetBy,
        interval: Duration,
        meters: Arc<Meters>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self(Arc::new(Shared {
            directory,
            fleet_by,
            interval,
            meters,
            closing,
            opened: AtomicU64::new(0),
        }))
    }
}

/// The body of an answer: messages until the stream ends.
type Responses = Pin<Box<dyn Stream<Item = Result<LoadStatsResponse, Status>> + Send>>;

type Answers = mpsc::Sender<Result<LoadStatsResponse, Status>>;

impl Shared {
    /// Serves one stream until either side ends it.
    async fn run(
        &self,
        mut reports: Streaming<LoadStatsRequest>,
        peer: Option<SocketAddr>,
        answers: Answers,
    ) {
        let mut closing = self.closing.clone();
        let ended = tokio::select! {
            ended = self.read(&mut reports, peer, &answers) => ended,
            () = answers.closed() => Ok(()),
            () = closed(&mut closing) => Ok(()),
        };
        if let Err(status) = ended {
            debug!(code = ?status.code(), message = status.message(), "load report stream ended");
            // The proxy may be gone; then nobody needs to know.
            let _ = answers.send(Err(status)).await;
        }
    }

    async fn read(
        &self,
        reports: &mut Streaming<LoadStatsRequest>,
        peer: Option<SocketAddr>,
        answers: &Answers,
    ) -> Result<(), Status> {
        let Some(first) = reports.message().await? else {
            return Ok(());
        };
        let (fleet, proxy) = identify(first.node.as_ref(), peer, &self.fleet_by)?;
        let feed = self.directory.join(&fleet)?;
        let stream = Open::new(
            StreamId(self.opened.fetch_add(1, Ordering::Relaxed)),
            &proxy.id,
            feed.telemetry.clone(),
        );
        debug!(%fleet, proxy = %proxy.id, "reports its load");
        let interval = prost_types::Duration::try_from(self.interval);
        let answer = LoadStatsResponse {
            load_reporting_interval: Some(interval.unwrap_or_default()),
            send_all_clusters: true,
        };
        if answers.send(Ok(answer)).await.is_err() {
            return Ok(());
        }
        // A proxy that reported to an earlier stream begins with what it counted since.
        stream.report(&first.cluster_stats);
        while let Some(report) = reports.message().await? {
            self.meters.load_report();
            stream.report(&report.cluster_stats);
        }
        Ok(())
    }
}

/// Resolves when the server is to stop.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// A stream that the telemetry knows; it is closed when this is dropped, whatever ends the stream.
struct Open {
    id: StreamId,
    telemetry: Arc<Telemetry>,
}

impl Open {
    fn new(id: StreamId, proxy: &str, telemetry: Arc<Telemetry>) -> Self {
        telemetry.open(id, proxy, telemetry.now());
        Self { id, telemetry }
    }

    fn report(&self, report: &[ClusterStats]) {
        self.telemetry.report(self.id, report, self.telemetry.now());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.telemetry.close(self.id, self.telemetry.now());
    }
}

impl StreamingService<LoadStatsRequest> for LoadReports {
    type Response = LoadStatsResponse;
    type ResponseStream = Responses;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<LoadStatsRequest>>) -> Self::Future {
        // One response is all that is ever sent.
        let (answers, body) = mpsc::channel(1);
        let peer = request.remote_addr();
        let shared = self.0.clone();
        tokio::spawn(async move { shared.run(request.into_inner(), peer, answers).await });
        let body: Self::ResponseStream = Box::pin(ReceiverStream::new(body));
        std::future::ready(Ok(tonic::Response::new(body)))
    }
}

impl NamedService for LoadReports {
    const NAME: &'static str = "envoy.service.load_stats.v3.LoadReportingService";
}

impl Service<http::Request<Body>> for LoadReports {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if !request.uri().path().ends_with("/StreamLoadStats") {
            let why = "this method is not part of the load reporting service";
            return std::future::ready(Ok(Status::unimplemented(why).into_http())).boxed();
        }
        let reports = self.clone();
        Box::pin(async move {
            let mut grpc =
                Grpc::new(tonic_prost::ProstCodec::default()).max_decoding_message_size(MAX_REPORT);
            Ok(grpc.streaming(reports, request).await)
        })
    }
}
