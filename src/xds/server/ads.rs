//! `AggregatedDiscoveryService` and `LoadReportingService` as tonic services.
//!
//! Written by hand instead of generated, so that a response is made from bytes that are encoded already.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{
    Request, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, StreamingService},
};
use tower::Service;

use super::{
    Directory,
    stream::{self, Opened, RESPONSES_QUEUED, closed},
    wire::{DiscoveryRequest, LoadStatsRequest, LoadStatsResponse, SotwCodec},
};
use crate::{fleet::StreamId, xds::session::Response};

/// A proxy that reconnects to delta ADS repeats everything that it has, seen with more than 20 MB; tonic's default of
/// 4 MiB would lock it out for ever.
const MAX_REQUEST: usize = 256 * 1024 * 1024;

/// Between two load reports of one proxy, in seconds.
const LOAD_REPORT_INTERVAL: i64 = 10;

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves `envoy.service.discovery.v3.AggregatedDiscoveryService`, state of the world.
#[derive(Clone)]
pub(super) struct Ads(Arc<Shared>);

struct Shared {
    directory: Arc<dyn Directory>,
    closing: watch::Receiver<bool>,
    /// Streams opened since the start.
    opened: AtomicU64,
}

impl Ads {
    pub(super) fn new(directory: Arc<dyn Directory>, closing: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Shared {
            directory,
            closing,
            opened: AtomicU64::new(0),
        }))
    }
}

impl StreamingService<DiscoveryRequest> for Ads {
    type Response = Response;
    type ResponseStream = Responses<Response>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<DiscoveryRequest>>) -> Self::Future {
        let (responses, body) = mpsc::channel(RESPONSES_QUEUED);
        let opened = Opened {
            id: StreamId(self.0.opened.fetch_add(1, Ordering::Relaxed)),
            peer: request.remote_addr(),
            requests: request.into_inner(),
            responses,
            closing: self.0.closing.clone(),
        };
        tokio::spawn(stream::run(opened, self.0.directory.clone()));
        let body: Self::ResponseStream = Box::pin(ReceiverStream::new(body));
        std::future::ready(Ok(tonic::Response::new(body)))
    }
}

impl NamedService for Ads {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

impl Service<http::Request<Body>> for Ads {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let ads = self.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        match method {
            "StreamAggregatedResources" => Box::pin(async move {
                let mut grpc = Grpc::new(SotwCodec).max_decoding_message_size(MAX_REQUEST);
                Ok(grpc.streaming(ads, request).await)
            }),
            "DeltaAggregatedResources" => refuse(
                "delta xDS is not served: set `api_type: GRPC` in ads_config of the bootstrap, instead of DELTA_GRPC",
            ),
            _ => refuse("this method is not part of the aggregated discovery service"),
        }
    }
}

/// Serves `envoy.service.load_stats.v3.LoadReportingService`. Proxies are asked for reports of all clusters, so that
/// a bootstrap with `load_stats_config` works; the reports are read and not evaluated.
#[derive(Clone)]
pub(super) struct LoadReports {
    closing: watch::Receiver<bool>,
}

impl LoadReports {
    pub(super) fn new(closing: watch::Receiver<bool>) -> Self {
        Self { closing }
    }
}

impl StreamingService<LoadStatsRequest> for LoadReports {
    type Response = LoadStatsResponse;
    type ResponseStream = Responses<LoadStatsResponse>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<LoadStatsRequest>>) -> Self::Future {
        let mut reports = request.into_inner();
        let mut closing = self.closing.clone();
        // One response is all that is ever sent.
        let (responses, body) = mpsc::channel(1);
        tokio::spawn(async move {
            let all_clusters = LoadStatsResponse {
                load_reporting_interval: Some(prost_types::Duration {
                    seconds: LOAD_REPORT_INTERVAL,
                    nanos: 0,
                }),
                send_all_clusters: true,
            };
            let read = async {
                // The first request only says who it is; it is what the response answers.
                let mut answer = Some(all_clusters);
                while let Ok(Some(LoadStatsRequest {})) = reports.message().await {
                    if let Some(answer) = answer.take()
                        && responses.send(Ok(answer)).await.is_err()
                    {
                        return;
                    }
                }
            };
            tokio::select! {
                () = read => {}
                () = closed(&mut closing) => {}
            }
        });
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
            return refuse("this method is not part of the load reporting service");
        }
        let reports = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(tonic_prost::ProstCodec::default())
                .max_decoding_message_size(MAX_REQUEST);
            Ok(grpc.streaming(reports, request).await)
        })
    }
}

fn refuse(why: &'static str) -> BoxFuture<'static, Result<http::Response<Body>, Infallible>> {
    Box::pin(async move { Ok(Status::unimplemented(why).into_http()) })
}
