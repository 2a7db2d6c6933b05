//! What is served on the port for proxies: the discovery services, all of one shape, by streams of our own; all else by
//! tonic.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::header;
use tokio::sync::watch;
use tonic::{Status, service::Routes};

use super::{
    Directory, Options,
    http2::{self, Accepted, Budget, Replies, Requests},
    shared::Shared,
    stream::{self, Opened},
    wire::{DeltaDiscoveryRequest, DiscoveryRequest},
};
use crate::{fleet::StreamId, model::TypeUrl, xds::session::Mode};

/// Everything on one stream: the only one on which the order of types can be kept.
pub(super) const ADS: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService";

/// One of the services.
struct Kind {
    /// Its full name.
    name: &'static str,
    /// What stands behind `Stream`, `Delta` and `Fetch` in its methods.
    what: &'static str,
    /// The only type that it serves; none for the aggregated one.
    only: Option<TypeUrl>,
}

/// VHDS is the one that has no state-of-the-world method.
const KINDS: [Kind; 10] = [
    kind(ADS, "AggregatedResources", None),
    kind(
        "envoy.service.cluster.v3.ClusterDiscoveryService",
        "Clusters",
        Some(TypeUrl::Cluster),
    ),
    kind(
        "envoy.service.endpoint.v3.EndpointDiscoveryService",
        "Endpoints",
        Some(TypeUrl::ClusterLoadAssignment),
    ),
    kind(
        "envoy.service.listener.v3.ListenerDiscoveryService",
        "Listeners",
        Some(TypeUrl::Listener),
    ),
    kind(
        "envoy.service.route.v3.RouteDiscoveryService",
        "Routes",
        Some(TypeUrl::RouteConfiguration),
    ),
    kind(
        "envoy.service.route.v3.ScopedRoutesDiscoveryService",
        "ScopedRoutes",
        Some(TypeUrl::ScopedRouteConfiguration),
    ),
    kind(
        "envoy.service.route.v3.VirtualHostDiscoveryService",
        "VirtualHosts",
        Some(TypeUrl::VirtualHost),
    ),
    kind(
        "envoy.service.secret.v3.SecretDiscoveryService",
        "Secrets",
        Some(TypeUrl::Secret),
    ),
    kind(
        "envoy.service.runtime.v3.RuntimeDiscoveryService",
        "Runtime",
        Some(TypeUrl::Runtime),
    ),
    kind(
        "envoy.service.extension.v3.ExtensionConfigDiscoveryService",
        "ExtensionConfigs",
        Some(TypeUrl::TypedExtensionConfig),
    ),
];

const fn kind(name: &'static str, what: &'static str, only: Option<TypeUrl>) -> Kind {
    Kind { name, what, only }
}

/// A method that is served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    mode: Mode,
    only: Option<TypeUrl>,
}

impl Method {
    /// The method of that path: none if its service is not one of these, an error with what to do instead if the service is
    /// and the method is not.
    pub(super) fn of(path: &str) -> Option<Result<Self, &'static str>> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let Kind { what, only, .. } = KINDS.iter().find(|kind| kind.name == service)?;
        let is = |how: &str| method.strip_prefix(how) == Some(what);
        let mode = if is("Delta") {
            Mode::Delta
        } else if is("Stream") && *only != Some(TypeUrl::VirtualHost) {
            Mode::Sotw
        } else if is("Fetch") {
            return Some(Err(
                "resources are not served one request at a time: open a stream, with `api_type: GRPC` or DELTA_GRPC \
                 instead of REST, or with the Stream or Delta method of this service",
            ));
        } else {
            return Some(Err(
                "this method is not part of the service: there are Stream and Delta (VHDS: Delta only)",
            ));
        };
        Some(Ok(Self { mode, only: *only }))
    }
}

/// What is served on the port: what begins a stream.
pub(super) struct Services {
    shared: Arc<Shared>,
    closing: watch::Receiver<bool>,
    /// All other services.
    routes: Routes,
    budget: Budget,
    /// Streams opened since the start.
    opened: AtomicU64,
}

impl Services {
    /// `routes` is what tonic serves; `closing` is true once the server is to stop.
    pub(super) fn new(
        directory: Arc<dyn Directory>,
        options: Options,
        closing: watch::Receiver<bool>,
        routes: Routes,
    ) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::new(Shared::new(directory, options)),
            closing,
            routes,
            budget: Budget::default(),
            opened: AtomicU64::new(0),
        })
    }

    /// Begins a stream; none: it is over, or runs in a task of its own.
    pub(super) fn accept(self: &Arc<Self>, accepted: Accepted) -> Option<BoxFuture<'static, ()>> {
        let head = &accepted.request;
        let grpc = head.headers().get(header::CONTENT_TYPE);
        let is_grpc = grpc.is_some_and(|grpc| grpc.as_bytes().starts_with(b"application/grpc"));
        if head.method() != http::Method::POST || !is_grpc {
            let status = Status::internal("this is no gRPC request");
            http2::refuse(accepted.respond, status);
            return None;
        }
        match Method::of(head.uri().path()) {
            Some(Ok(method)) => self.stream(method, accepted),
            Some(Err(why)) => {
                http2::refuse(accepted.respond, Status::unimplemented(why));
                None
            }
            // Others may compute for a while: not in the task that every stream of this connection waits for.
            None => {
                tokio::spawn(http2::serve_routes(self.routes.clone(), accepted));
                None
            }
        }
    }

    /// One stream, until the client or the server ends it. It is answered at once: a client may wait for the headers before
    /// it says a word. None: the client is gone already.
    fn stream(
        self: &Arc<Self>,
        method: Method,
        accepted: Accepted,
    ) -> Option<BoxFuture<'static, ()>> {
        let body = accepted.request.into_body();
        let opened = Opened {
            id: StreamId(self.opened.fetch_add(1, Ordering::Relaxed)),
            only: method.only,
            peer: accepted.peer,
            requests: Requests::new(body, self.budget.clone()),
            replies: Replies::begin(accepted.respond).ok()?,
            closing: self.closing.clone(),
        };
        let shared = self.shared.clone();
        Some(match method.mode {
            Mode::Sotw => stream::run::<DiscoveryRequest>(opened, shared).boxed(),
            Mode::Delta => stream::run::<DeltaDiscoveryRequest>(opened, shared).boxed(),
        })
    }
}
