//! The I/O around the sessions: tonic services for discovery and load reports; one task per stream.

mod csds;
mod directory;
mod inspect;
mod lrs;
mod matcher;
mod metadata;
mod meters;
mod node;
mod requests;
mod services;
mod stream;
mod told;
mod wire;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch};
use tonic::{
    server::NamedService as _,
    transport::{Server, server::TcpIncoming},
};

use self::{
    lrs::LoadReports,
    services::{Ads, Cds, Discovery, Ecds, Eds, Lds, Rds, Rtds, Sds, Shared, Srds, Vhds},
};

pub use csds::{ClientStatus, CsdsAccess, CsdsAccessError, client_status};
pub use directory::{Directory, FleetFeed, JoinError};
pub use inspect::Streams;
pub use meters::Meters;
pub use node::{FleetBy, FleetByError};

/// A proxy that is silent for so long is asked whether it is still there; a dead connection must not count as a
/// connected proxy for longer than an operator looks at a status.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long the answer to that may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Streams on one connection: many proxies may come through one HTTP/2 gateway, two streams each.
const MAX_STREAMS: u32 = 100_000;

/// Between two load reports of one proxy: what Envoys report by default elsewhere, and enough for a bake of minutes.
pub const LOAD_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// What of the server can be set.
#[derive(Clone, Debug)]
pub struct Options {
    /// By what a proxy says which fleet it belongs to.
    pub fleet_by: FleetBy,
    /// How often proxies are asked to report their load.
    pub load_report_interval: Duration,
    /// Where it is counted what goes out and comes in.
    pub meters: Arc<Meters>,
    /// Who may ask on this port what each proxy has.
    pub csds: CsdsAccess,
    /// Where the open streams are found.
    pub streams: Arc<Streams>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fleet_by: FleetBy::default(),
            load_report_interval: LOAD_REPORT_INTERVAL,
            meters: Arc::default(),
            csds: CsdsAccess::default(),
            streams: Arc::default(),
        }
    }
}

/// Serves proxies until `shutdown` resolves; then ends every stream, so that they reconnect elsewhere at once.
///
/// Idle streams are never closed.
pub async fn serve(
    listener: TcpListener,
    directory: Arc<dyn Directory>,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let (close, closing) = watch::channel(false);
    // Load balancers before the control plane ask on the port that they forward to.
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_service_status(Discovery::<Ads>::NAME, tonic_health::ServingStatus::Serving)
        .await;
    let shared = Shared::new(directory.clone(), options.clone(), closing.clone());
    // Every push is one small message that somebody waits for.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(MAX_STREAMS)
        .add_service(Discovery::<Ads>::new(&shared))
        .add_service(Discovery::<Cds>::new(&shared))
        .add_service(Discovery::<Eds>::new(&shared))
        .add_service(Discovery::<Lds>::new(&shared))
        .add_service(Discovery::<Rds>::new(&shared))
        .add_service(Discovery::<Srds>::new(&shared))
        .add_service(Discovery::<Vhds>::new(&shared))
        .add_service(Discovery::<Sds>::new(&shared))
        .add_service(Discovery::<Rtds>::new(&shared))
        .add_service(Discovery::<Ecds>::new(&shared))
        .add_service(LoadReports::new(
            directory,
            options.fleet_by,
            options.load_report_interval,
            options.meters.clone(),
            closing,
        ))
        .add_service(client_status(options.streams, options.csds))
        .add_service(health_service)
        .serve_with_incoming_shutdown(incoming, async move {
            shutdown.await;
            close.send_replace(true);
        })
        .await
}
