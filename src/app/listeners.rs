//! The three listeners: xDS for Envoys, the admin API for operators, HTTP for health.

use std::{
    convert::Infallible, future::IntoFuture as _, net::SocketAddr, sync::Arc, time::Duration,
};

use axum::serve::Listener as _;
use envoy_types::pb::envoy::service::status::v3::client_status_discovery_service_server::ClientStatusDiscoveryServiceServer;
use futures::stream::unfold;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    time::sleep,
};
use tonic::{service::interceptor::InterceptedService, transport::Server};

use super::{
    directory::Fleets,
    door::Door,
    errors::{RunError, StartError},
    http::{self, Metrics, Readiness},
};
use crate::{
    admin,
    api::{self, admin_server::AdminServer},
    xds::{self, server::ClientStatus},
};

type Served = Result<(), RunError>;

/// How long calls that are open may go on when the server stops. Watches have been let go by then; what never ends by itself,
/// as a watch of `grpc.health.v1` or a request of which only the half came, must not keep the server.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// A client of the admin API that is silent is asked whether it is still there: one that watches has nothing to say, and one whose
/// machine is gone would keep its place for ever.
const ASK_AFTER: Duration = Duration::from_secs(30);

/// How long its answer may take: somebody may have stopped it for a moment, with Ctrl-Z.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Calls on one connection to the admin API at a time: as many as `hyper` allows by itself, whose limit `tonic` takes away. Each takes
/// some kilobytes before it has said which call it is.
const CALLS: u32 = 200;

/// Connections that may wait to be accepted. One too many waits a second before it tries again; Linux allows no more
/// than this unless it is told to.
const BACKLOG: u32 = 4096;

/// Listens at the address of a setting; says where that is, which with port 0 is known only then.
pub fn bind(
    setting: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind {
        setting,
        address,
        source,
    };
    let listener = listen(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// As [`TcpListener::bind`], with more room for a fleet that comes back all at once.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server takes its port again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Resolves when the server stops, or when whoever could say so is gone.
pub async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Serves `/healthz`, `/readyz` and `/metrics` until the server stops: while it starts, too, or who looks after it takes it for hung.
pub async fn serve_http(
    door: Door,
    readiness: Readiness,
    metrics: Metrics,
    stopping: watch::Receiver<bool>,
) -> Served {
    let router = http::router(readiness, metrics);
    let served = axum::serve(door, router).with_graceful_shutdown(stopped(stopping.clone()));
    until_last_call("http", served.into_future(), stopping).await
}

/// Serves to the end of the last call, or until there was time enough for it.
async fn until_last_call<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    what: &'static str,
    served: impl Future<Output = Result<(), E>>,
    stopping: watch::Receiver<bool>,
) -> Served {
    let too_long = async {
        stopped(stopping).await;
        sleep(LAST_CALLS).await;
    };
    tokio::select! {
        served = served => served.map_err(|source| RunError::Serve { what, source: source.into() }),
        () = too_long => Ok(()),
    }
}

/// Serves Envoys until the server stops.
pub async fn serve_xds(
    listener: TcpListener,
    fleets: Arc<Fleets>,
    options: xds::server::Options,
    stopping: watch::Receiver<bool>,
) -> Served {
    xds::server::serve(listener, fleets, options, stopped(stopping)).await;
    Ok(())
}

/// Serves the admin API until the server stops; with `grpc.health.v1` and reflection, which need no token.
pub fn serve_admin(
    door: Door,
    service: InterceptedService<AdminServer<admin::Service>, admin::Token>,
    csds: InterceptedService<ClientStatusDiscoveryServiceServer<ClientStatus>, admin::Token>,
    stopping: watch::Receiver<bool>,
) -> Result<impl Future<Output = Served> + Send + 'static, tonic_reflection::server::Error> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(api::DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Clients that are a few years old ask for the alpha version only.
    let (reflection, reflection_alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    let (health, health_service) = tonic_health::server::health_reporter();
    Ok(async move {
        health
            .set_service_status(
                "bluegreen.admin.v1.Admin",
                tonic_health::ServingStatus::Serving,
            )
            .await;
        let guests = unfold(door, async |mut door| {
            let (guest, _) = door.accept().await;
            Some((Ok::<_, Infallible>(guest), door))
        });
        let served = Server::builder()
            .http2_keepalive_interval(Some(ASK_AFTER))
            .http2_keepalive_timeout(Some(ANSWER_WITHIN))
            .max_concurrent_streams(CALLS)
            .add_service(service)
            .add_service(csds)
            .add_service(health_service)
            .add_service(reflection)
            .add_service(reflection_alpha)
            .serve_with_incoming_shutdown(guests, stopped(stopping.clone()));
        until_last_call("admin", served, stopping).await
    })
}
