//! What the server runs with, and why it may refuse to.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use super::setting::SettingError;
use crate::{
    controller::{DRAIN, EventSink},
    xds::{
        server::{CsdsAccess, FleetBy, LOAD_REPORT_INTERVAL},
        session::OnWarmTimeout,
    },
};

/// What the server runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Envoys connect.
    pub xds: SocketAddr,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Where health is served.
    pub http: SocketAddr,
    /// Where revisions are kept.
    pub data_dir: PathBuf,
    /// The token that admin calls must carry; None on loopback only.
    pub admin_token: Option<String>,
    /// What of a node names its fleet.
    pub fleet_by: FleetBy,
    /// Proxies of undeclared fleets are refused.
    pub reject_unknown_fleets: bool,
    /// Revisions kept per fleet.
    pub history_limit: usize,
    /// A proxy that is away so long leaves the roster.
    pub forget_after: Duration,
    /// After how long a route that waits for its cluster is reported.
    pub warm_timeout: Duration,
    /// What becomes of it then.
    pub on_warm_timeout: OnWarmTimeout,
    /// How often proxies report their load.
    pub load_report_interval: Duration,
    /// How long a standby is waited for that still has requests or streams.
    pub drain_time: Duration,
    /// The folder of check data.
    pub check_data: Option<PathBuf>,
    /// Hooks may run programs.
    pub allow_exec_hooks: bool,
    /// Where events of releases go.
    pub events: Option<EventSink>,
    /// Who may ask on the xDS port what each proxy has.
    pub csds: CsdsAccess,
    /// Start on a store that went back in time.
    pub accept_older: bool,
}

impl Config {
    /// A server on free loopback ports with that data directory, everything else by default: for tests.
    pub fn local(data_dir: &Path) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            xds: free,
            admin: free,
            http: free,
            data_dir: data_dir.to_owned(),
            admin_token: None,
            fleet_by: FleetBy::Cluster,
            reject_unknown_fleets: false,
            history_limit: 1000,
            forget_after: Duration::from_secs(600),
            warm_timeout: Duration::from_secs(20),
            on_warm_timeout: OnWarmTimeout::Hold,
            load_report_interval: LOAD_REPORT_INTERVAL,
            drain_time: DRAIN,
            check_data: None,
            allow_exec_hooks: false,
            events: None,
            csds: CsdsAccess::default(),
            accept_older: false,
        }
    }
}

/// How the server logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `tracing-subscriber`'s filter syntax.
    pub filter: String,
    /// None: by whether stderr is a terminal.
    pub json: Option<bool>,
}

/// A configuration that the server refuses to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting is missing or does not parse.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The admin API would be open to the network.
    #[error(
        "--admin {0} is reachable from other machines: give --admin-token-file FILE with a secret in it, or listen on 127.0.0.1"
    )]
    OpenAdmin(SocketAddr),
    /// The token file can't be read.
    #[error("--admin-token-file {path} can't be read: {source}")]
    TokenFile {
        /// As given.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Events can't be sent so.
    #[error("{0}")]
    Events(String),
    /// The token is no token.
    #[error(
        "--admin-token-file {0} must hold one line of at least 16 printable characters without spaces"
    )]
    Token(String),
}
