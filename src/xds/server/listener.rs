//! Accepts the connections of proxies, and ends them when the server stops.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tonic::service::Routes;

use super::{
    Directory, Options, Seldom, client_status, http2,
    lrs::LoadReports,
    services::{self, Services},
};

/// After an error of accept itself: the usual one is that too many files are open, and it lasts until somebody leaves.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Serves proxies until `shutdown` resolves; then ends every stream, so that they reconnect elsewhere at once.
///
/// Idle streams are never closed.
pub async fn serve(
    listener: TcpListener,
    directory: Arc<dyn Directory>,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (close, closing) = watch::channel(false);
    // Load balancers before the control plane ask on the port that they forward to.
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_service_status(services::ADS, tonic_health::ServingStatus::Serving)
        .await;
    let load_reports = LoadReports::new(
        directory.clone(),
        options.fleet_by.clone(),
        options.load_report_interval,
        options.meters.clone(),
        closing.clone(),
    );
    let routes = Routes::new(health_service)
        .add_service(load_reports)
        .add_service(client_status(options.streams.clone(), options.csds));
    let places = options.places;
    let services = Services::new(directory, options, closing.clone(), routes.prepare());
    let mut connections = JoinSet::new();
    let mut complaints = Seldom::default();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // What has ended is dropped here, so that the set does not grow with every connection.
            Some(_) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            // Closed at once, it tries again later, or elsewhere; and there is a file left for whoever wants to roll back.
            Ok((_, peer)) if connections.len() >= places => {
                if complaints.is_due() {
                    tracing::warn!(
                        %peer,
                        "a proxy's connection was closed: there are {places}, as many as the limit of open files leaves room for. Raise it (ulimit -Hn, systemd's LimitNOFILE) and restart the server"
                    );
                }
            }
            Ok((tcp, peer)) => {
                let services = services.clone();
                let accept = move |accepted| services.accept(accepted);
                connections.spawn(http2::serve(prepared(tcp), peer, accept, closing.clone()));
            }
            Err(error) => {
                if complaints.is_due() {
                    tracing::warn!(%error, "a connection of a proxy could not be accepted");
                }
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    close.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// Every push is one small message that somebody waits for.
fn prepared(tcp: TcpStream) -> TcpStream {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "the connection is gone already");
    }
    tcp
}
