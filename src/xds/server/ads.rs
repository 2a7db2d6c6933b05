//! `AggregatedDiscoveryService` as a tonic service.
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
    node::FleetBy,
    stream::{self, Opened, RESPONSES_QUEUED},
    wire::{DiscoveryRequest, SotwCodec},
};
use crate::{fleet::StreamId, xds::session::Response};

/// A proxy that reconnects to delta ADS repeats everything that it has, seen with more than 20 MB; tonic's default of
/// 4 MiB would lock it out for ever.
const MAX_REQUEST: usize = 256 * 1024 * 1024;

/// The body of an answer: messages until the stream ends.
pub(super) type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves `envoy.service.discovery.v3.AggregatedDiscoveryService`, state of the world.
#[derive(Clone)]
pub(super) struct Ads(Arc<Shared>);

struct Shared {
    directory: Arc<dyn Directory>,
    fleet_by: FleetBy,
    closing: watch::Receiver<bool>,
    /// Streams opened since the start.
    opened: AtomicU64,
}

impl Ads {
    pub(super) fn new(
        directory: Arc<dyn Directory>,
        fleet_by: FleetBy,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self(Arc::new(Shared {
            directory,
            fleet_by,
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
            fleet_by: self.0.fleet_by.clone(),
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

pub(super) fn refuse(
    why: &'static str,
) -> BoxFuture<'static, Result<http::Response<Body>, Infallible>> {
    Box::pin(async move { Ok(Status::unimplemented(why).into_http()) })
}
