//! Builds the server from its rooms, runs it, and ends it cleanly.

use std::{net::SocketAddr, sync::Arc};

use prometheus_client::{metrics::info::Info, registry::Registry};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};
use tonic::service::interceptor::InterceptedService;

use super::{
    config::Config,
    directory::Fleets,
    door::Door,
    errors::{RunError, StartError},
    http::{Metrics, Readiness},
    listeners::{bind, serve_admin, serve_http, serve_xds},
    log, open_files,
};
use crate::{
    admin, api, console,
    controller::{Controllers, Options, ReleaseOptions, SystemResolver},
    store::{SledOptions, SledStore, Store},
    xds::{self, server::CsdsAccess, session},
};

/// A server that listens; [`App::run`] serves until it is told to stop.
pub struct App {
    addresses: Addresses,
    store: Arc<dyn Store>,
    controllers: Arc<Controllers>,
    readiness: Readiness,
    stop: watch::Sender<bool>,
    tasks: JoinSet<Result<(), RunError>>,
}

/// Where the server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For Envoys.
    pub xds: SocketAddr,
    /// For operators.
    pub admin: SocketAddr,
    /// For health.
    pub http: SocketAddr,
}

impl std::fmt::Display for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "xds listening on {}", self.xds)?;
        writeln!(f, "admin listening on {}", self.admin)?;
        writeln!(f, "http listening on {}", self.http)
    }
}

impl App {
    /// Opens the store, takes up every fleet in it, and listens. Nothing is served before all of that has succeeded, but for
    /// health.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        let (xds, xds_address) = bind("xds", config.xds)?;
        let (admin, admin_address) = bind("admin", config.admin)?;
        let (http, http_address) = bind("http", config.http)?;
        let addresses = Addresses {
            xds: xds_address,
            admin: admin_address,
            http: http_address,
        };

        let places = open_files::raise();
        let (readiness, metrics) = (Readiness::default(), Metrics::default());
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let door = Door::new(http, "http", places.http);
        tasks.spawn(serve_http(
            door,
            readiness.clone(),
            metrics.clone(),
            stopping.clone(),
        ));

        let options = SledOptions {
            history_limit: config.history_limit,
            accept_older: config.accept_older,
        };
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&config.data_dir, options).await?);
        let controllers = Controllers::start(store.clone(), controller_options(&config)?).await?;

        let fleets = Arc::new(Fleets {
            controllers: controllers.clone(),
            reject_unknown: config.reject_unknown_fleets,
            sessions: session::Options {
                warm_timeout: config.warm_timeout,
                on_warm_timeout: config.on_warm_timeout,
                accept_older: config.accept_older,
                ..session::Options::default()
            },
        });
        let options = xds::server::Options {
            fleet_by: config.fleet_by,
            load_report_interval: config.load_report_interval,
            csds: config.csds,
            meters: Arc::default(),
            streams: Arc::default(),
            places: places.xds,
        };
        // Whoever has the token may ask, from wherever he comes.
        let csds = InterceptedService::new(
            xds::server::client_status(options.streams.clone(), CsdsAccess::On),
            admin::Token::new(config.admin_token.clone()),
        );
        // It is set here only.
        let _ = metrics.set(registry(controllers.clone(), &options));
        tasks.spawn(serve_xds(xds, fleets, options, stopping.clone()));
        let info = api::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            xds_address: xds_address.to_string(),
            admin_address: admin_address.to_string(),
            http_address: http_address.to_string(),
        };
        let service = admin::service(controllers.clone(), config.admin_token, info);
        tasks.spawn(serve_admin(
            Door::new(admin, "admin", places.admin),
            service,
            csds,
            stopping,
        )?);

        readiness.set(true);
        Ok(Self {
            addresses,
            store,
            controllers,
            readiness,
            stop,
            tasks,
        })
    }

    /// Where the server listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until `shutdown` resolves or a listener fails; then ends every stream, saves the roster and closes the
    /// store.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let failed = tokio::select! {
            () = shutdown => None,
            ended = self.tasks.join_next() => ended,
        };
        self.readiness.set(false);
        tracing::info!("stopping: proxies keep their configuration and will reconnect");
        self.controllers.close();
        self.stop.send_replace(true);
        let mut result = failed.map_or(Ok(()), flatten);
        while let Some(ended) = self.tasks.join_next().await {
            result = result.and(flatten(ended));
        }
        self.controllers.stop().await;
        self.store.close().await?;
        result
    }
}

/// The settings, as far as they are the controllers'.
fn controller_options(config: &Config) -> Result<Options, StartError> {
    let resolver = SystemResolver::new().map_err(StartError::Resolver)?;
    Ok(Options {
        roster_away: config.forget_after,
        check_data: config.check_data.clone().map(Arc::new),
        release: ReleaseOptions {
            allow_exec_hooks: config.allow_exec_hooks,
            events: config.events.clone(),
            drain: config.drain_time,
            report_interval: config.load_report_interval,
            ..ReleaseOptions::default()
        },
        ..Options::new(Box::new(resolver))
    })
}

/// What `/metrics` shows.
fn registry(controllers: Arc<Controllers>, options: &xds::server::Options) -> Registry {
    let mut registry = Registry::default();
    registry.register(
        "bluegreen",
        "The server's version",
        Info::new([("version", env!("CARGO_PKG_VERSION"))]),
    );
    registry.register_collector(Box::new(console::FleetMetrics::new(controllers)));
    registry.register_collector(Box::new(log::Lost));
    options.meters.register(&mut registry);
    registry
}

fn flatten(ended: Result<Result<(), RunError>, JoinError>) -> Result<(), RunError> {
    ended?
}
