//! One real Envoy process: found or fetched, started with the bootstrap that users get, asked over its admin port.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::http;

/// How long an Envoy may take to open its admin port: 0.2 s here, more on a machine that is busy compiling.
const START: Duration = Duration::from_secs(30);

/// Envoy tells nobody when its admin port is open, so it is asked this often.
const POLL: Duration = Duration::from_millis(10);

/// Lines of the log that go into an error.
const LOG_TAIL: usize = 15;

/// Why an Envoy could not be had, started or asked.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// `envoy/get-envoy` found none and could not fetch one.
    #[error("no Envoy: {0}")]
    NotFound(String),
    /// The bootstrap is not what this file expects.
    #[error("envoy/bootstrap.yaml: {0}")]
    Bootstrap(String),
    /// The process could not be started, or its files could not be written.
    #[error("cannot start Envoy {node}: {source}")]
    Start { node: String, source: io::Error },
    /// The process ended, or never got as far as was waited for.
    #[error("Envoy {node} {what}; its log ends with\n{log}")]
    Failed {
        node: String,
        what: String,
        log: String,
    },
    /// The admin port did not answer.
    #[error("the admin port of Envoy {node}: {source}")]
    Admin { node: String, source: io::Error },
}

/// The path of an Envoy binary, fetched into `target/` at the first call on a machine that has none.
///
/// # Errors
/// What `envoy/get-envoy` said.
pub async fn binary() -> Result<PathBuf, EnvoyError> {
    let script = repository().join("envoy/get-envoy");
    let output = Command::new(&script)
        .output()
        .await
        .map_err(|error| EnvoyError::NotFound(format!("{}: {error}", script.display())))?;
    if !output.status.success() {
        return Err(EnvoyError::NotFound(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim_end(),
    ))
}

/// The bootstrap that users get, pointed at `control_plane` and with an admin port of its own.
///
/// # Errors
/// If the file cannot be read, or has another shape than this function knows.
pub fn bootstrap(control_plane: SocketAddr) -> Result<Value, EnvoyError> {
    let text = std::fs::read_to_string(repository().join("envoy/bootstrap.yaml"))
        .map_err(|error| EnvoyError::Bootstrap(error.to_string()))?;
    let mut bootstrap: Value =
        serde_saphyr::from_str(&text).map_err(|error| EnvoyError::Bootstrap(error.to_string()))?;
    let address =
        "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    for (pointer, to) in [
        (address, control_plane),
        ("/admin/address", SocketAddr::from(([127, 0, 0, 1], 0))),
    ] {
        *bootstrap
            .pointer_mut(pointer)
            .ok_or_else(|| EnvoyError::Bootstrap(format!("nothing at {pointer}")))? =
            json!({ "socket_address": { "address": to.ip(), "port_value": to.port() } });
    }
    Ok(bootstrap)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A running Envoy. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Envoy {
    node: String,
    admin: SocketAddr,
    log: PathBuf,
    process: Child,
}

impl Envoy {
    /// Starts proxy `node` of fleet `cluster` with `bootstrap`, and waits until its admin port answers: not until it
    /// has any configuration. Its files go into `dir`.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(
        binary: &Path,
        bootstrap: &Value,
        node: &str,
        cluster: &str,
        dir: &Path,
    ) -> Result<Self, EnvoyError> {
        let start = |source| EnvoyError::Start {
            node: node.to_owned(),
            source,
        };
        let config = dir.join(format!("{node}.json"));
        let log = dir.join(format!("{node}.log"));
        let admin_path = dir.join(format!("{node}.admin"));
        std::fs::write(&config, bootstrap.to_string()).map_err(start)?;
        // A leftover of an earlier process of this name would be taken for the new one's.
        let _ = std::fs::remove_file(&admin_path);
        let mut process = Command::new(binary)
            .arg("--config-path")
            .arg(&config)
            .args(["--service-node", node, "--service-cluster", cluster])
            // Shared memory is keyed by the base id: without an own one two Envoys of a machine take each other for
            // a hot restart.
            .arg("--use-dynamic-base-id")
            // One worker: several proxies share a small machine.
            .args(["--concurrency", "1"])
            .args(["--log-level", "warning"])
            .arg("--log-path")
            .arg(&log)
            .arg("--admin-address-path")
            .arg(&admin_path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;

        let deadline = Instant::now() + START;
        loop {
            let address = std::fs::read_to_string(&admin_path).unwrap_or_default();
            if let Ok(admin) = address.trim().parse()
                && http::get(admin, "/ready").await.is_ok()
            {
                return Ok(Self {
                    node: node.to_owned(),
                    admin,
                    log,
                    process,
                });
            }
            let what = match process.try_wait().map_err(start)? {
                Some(status) => format!("ended ({status})"),
                None if Instant::now() > deadline => {
                    format!("opened no admin port within {START:?}")
                }
                None => {
                    tokio::time::sleep(POLL).await;
                    continue;
                }
            };
            return Err(EnvoyError::Failed {
                node: node.to_owned(),
                what,
                log: tail(&log),
            });
        }
    }

    /// The name the control plane knows it by.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Where its admin port is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What it has logged (warnings and errors).
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks the admin port.
    ///
    /// # Errors
    /// If it does not answer with 200.
    pub async fn ask(&self, path: &str) -> Result<String, EnvoyError> {
        let admin = |source| EnvoyError::Admin {
            node: self.node.clone(),
            source,
        };
        let (status, body) = http::get(self.admin, path).await.map_err(admin)?;
        if !status.is_success() {
            return Err(admin(io::Error::other(format!("{path} answered {status}"))));
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Counters and gauges whose name matches the regular expression `filter`.
    ///
    /// # Errors
    /// If the admin port does not answer.
    pub async fn stats(&self, filter: &str) -> Result<BTreeMap<String, u64>, EnvoyError> {
        let filter: String = filter.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let text = self.ask(&format!("/stats?filter={filter}")).await?;
        // Histograms and text readouts have no number after the colon, and are left out.
        Ok(text
            .lines()
            .filter_map(|line| line.rsplit_once(": "))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// The configuration in force, as `/config_dump?include_eds` shows it.
    ///
    /// # Errors
    /// If the admin port does not answer with JSON.
    pub async fn config_dump(&self) -> Result<Value, EnvoyError> {
        let text = self.ask("/config_dump?include_eds").await?;
        serde_json::from_str(&text).map_err(|error| EnvoyError::Admin {
            node: self.node.clone(),
            source: error.into(),
        })
    }

    /// Waits until it is ready: it has clusters, listeners and everything that these wait for.
    ///
    /// # Errors
    /// If it is not ready within `limit`, or has ended.
    pub async fn ready(&mut self, limit: Duration) -> Result<(), EnvoyError> {
        let deadline = Instant::now() + limit;
        loop {
            // 503 with the state's name until then.
            let state = self.ask("/ready").await;
            if state.is_ok() {
                return Ok(());
            }
            let what = match self.process.try_wait() {
                Ok(Some(status)) => format!("ended ({status})"),
                _ if Instant::now() > deadline => format!("was not ready within {limit:?}"),
                _ => {
                    tokio::time::sleep(POLL).await;
                    continue;
                }
            };
            return Err(EnvoyError::Failed {
                node: self.node.clone(),
                what,
                log: tail(&self.log),
            });
        }
    }

    /// Kills it and waits until it is gone, so that its ports are free.
    pub async fn kill(mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.process.kill().await;
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
}
