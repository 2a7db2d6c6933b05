//! The discovery services, all of one shape: the aggregated one, and one per resource type; each in both modes.
//!
//! Written by hand instead of generated, so that a response is made from bytes that are encoded already.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
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
    Directory, Options,
    requests::Requests,
    stream::{self, Opened, RESPONSES_QUEUED},
    told::Told,
    wire::{DeltaDiscoveryRequest, DiscoveryRequest, ResponseCodec, Said},
};
use crate::{
    fleet::StreamId,
    model::{Name, TypeUrl},
    xds::session::{Cache, Response},
};

/// Fleets whose streams' memory is kept although no stream is open; past it only those with streams are. A client can
/// name any fleet.
const CACHES_KEPT: usize = 1_000;

/// The body of an answer: messages until the stream ends.
pub(super) type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the streams of all services share.
pub(super) struct Shared {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) options: Options,
    /// Rejections that the log has already.
    pub(super) told: Told,
    closing: watch::Receiver<bool>,
    /// Streams opened since the start.
    opened: AtomicU64,
    caches: Mutex<BTreeMap<Name, Arc<Cache>>>,
}

impl Shared {
    pub(super) fn new(
        directory: Arc<dyn Directory>,
        options: Options,
        closing: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            directory,
            options,
            told: Told::default(),
            closing,
            opened: AtomicU64::new(0),
            caches: Mutex::default(),
        })
    }

    /// What the streams of a fleet share.
    pub(super) fn cache(&self, fleet: &Name) -> Arc<Cache> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = caches.get(fleet) {
            return known.clone();
        }
        if caches.len() >= CACHES_KEPT {
            caches.retain(|_, cache| Arc::strong_count(cache) > 1);
        }
        caches.entry(fleet.clone()).or_default().clone()
    }
}

/// One of the services.
pub(super) trait Kind: Clone + Send + Sync + 'static {
    /// Its full name.
    const NAME: &'static str;
    /// The only type that it serves; none for the aggregated one.
    const ONLY: Option<TypeUrl>;
    /// What stands behind `Stream`, `Delta` and `Fetch` in its methods.
    const WHAT: &'static str;
    /// It has a state-of-the-world method.
    const SOTW: bool = true;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $what:literal, $only:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $kind;

        impl Kind for $kind {
            const NAME: &'static str = $name;
            const ONLY: Option<TypeUrl> = $only;
            const WHAT: &'static str = $what;
        }
    )*};
}

kinds! {
    /// Everything on one stream: the only one on which the order of types can be kept.
    Ads = "envoy.service.discovery.v3.AggregatedDiscoveryService", "AggregatedResources", None;
    /// CDS.
    Cds = "envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters", Some(TypeUrl::Cluster);
    /// EDS.
    Eds = "envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints", Some(TypeUrl::ClusterLoadAssignment);
    /// LDS.
    Lds = "envoy.service.listener.v3.ListenerDiscoveryService", "Listeners", Some(TypeUrl::Listener);
    /// RDS.
    Rds = "envoy.service.route.v3.RouteDiscoveryService", "Routes", Some(TypeUrl::RouteConfiguration);
    /// SRDS.
    Srds = "envoy.service.route.v3.ScopedRoutesDiscoveryService", "ScopedRoutes", Some(TypeUrl::ScopedRouteConfiguration);
    /// SDS.
    Sds = "envoy.service.secret.v3.SecretDiscoveryService", "Secrets", Some(TypeUrl::Secret);
    /// RTDS.
    Rtds = "envoy.service.runtime.v3.RuntimeDiscoveryService", "Runtime", Some(TypeUrl::Runtime);
    /// ECDS.
    Ecds = "envoy.service.extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs", Some(TypeUrl::TypedExtensionConfig);
}

/// VHDS, which is delta only.
#[derive(Clone, Copy)]
pub(super) struct Vhds;

impl Kind for Vhds {
    const NAME: &'static str = "envoy.service.route.v3.VirtualHostDiscoveryService";
    const ONLY: Option<TypeUrl> = Some(TypeUrl::VirtualHost);
    const WHAT: &'static str = "VirtualHosts";
    const SOTW: bool = false;
}

/// Serves one of the services.
#[derive(Clone)]
pub(super) struct Discovery<K> {
    shared: Arc<Shared>,
    kind: PhantomData<K>,
}

impl<K: Kind> Discovery<K> {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            kind: PhantomData,
        }
    }

    async fn stream<Q: Said>(self, request: http::Request<Body>) -> http::Response<Body> {
        let (head, body) = request.into_parts();
        let opening = Opening {
            service: self,
            requests: Some(Requests::<Q>::new(body)),
        };
        // Requests are read by us: tonic would keep the memory of the largest for as long as the stream is open.
        let request = http::Request::from_parts(head, Body::empty());
        Grpc::new(ResponseCodec).streaming(opening, request).await
    }
}

/// A stream that is about to be opened.
struct Opening<K, Q> {
    service: Discovery<K>,
    requests: Option<Requests<Q>>,
}

impl<K: Kind, Q: Said> StreamingService<()> for Opening<K, Q> {
    type Response = Response;
    type ResponseStream = Responses<Response>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<()>>) -> Self::Future {
        let (responses, body) = mpsc::channel(RESPONSES_QUEUED);
        let shared = &self.service.shared;
        // Tonic opens a stream once.
        if let Some(requests) = self.requests.take() {
            let opened = Opened {
                id: StreamId(shared.opened.fetch_add(1, Ordering::Relaxed)),
                only: K::ONLY,
                peer: request.remote_addr(),
                requests,
                responses,
                closing: shared.closing.clone(),
            };
            tokio::spawn(stream::run(opened, shared.clone()));
        }
        let body: Self::ResponseStream = Box::pin(ReceiverStream::new(body));
        std::future::ready(Ok(tonic::Response::new(body)))
    }
}

impl<K: Kind> NamedService for Discovery<K> {
    const NAME: &'static str = K::NAME;
}

impl<K: Kind> Service<http::Request<Body>> for Discovery<K> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let is = |how: &str| method.strip_prefix(how) == Some(K::WHAT);
        if is("Delta") {
            return Box::pin(
                async move { Ok(service.stream::<DeltaDiscoveryRequest>(request).await) },
            );
        }
        if is("Stream") && K::SOTW {
            return Box::pin(async move { Ok(service.stream::<DiscoveryRequest>(request).await) });
        }
        refuse(match is("Fetch") {
            true => {
                "resources are not served one request at a time: open a stream, with `api_type: GRPC` or DELTA_GRPC \
                 instead of REST, or with the Stream or Delta method of this service"
            }
            false => {
                "this method is not part of the service: there are Stream and Delta (VHDS: Delta only)"
            }
        })
    }
}

pub(super) fn refuse(
    why: &'static str,
) -> BoxFuture<'static, Result<http::Response<Body>, Infallible>> {
    Box::pin(async move { Ok(Status::unimplemented(why).into_http()) })
}
