//! Everything that runs during the demo, where its files are, and how it ends.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    control_plane::{ControlPlane, ControlPlaneError},
    envoy::{self, Envoy, EnvoyError},
    ports::ReservedPort,
    process::{Process, ProcessError},
};

/// Proxies of the fleet.
pub const FLEET_SIZE: usize = 3;

/// Endpoints of an environment.
const ENDPOINTS: usize = 2;

/// A model server is up in a few milliseconds.
const START: Duration = Duration::from_secs(10);

/// A proxy that has everything it needs is ready after its first health checks.
const READY: Duration = Duration::from_secs(15);

/// Why the stage could not be set.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Something was not built.
    #[error("{0} is missing: `make demo` builds it")]
    NotBuilt(PathBuf),
    /// No temporary directory, no port.
    #[error("cannot prepare the demo: {0}")]
    Prepare(#[from] std::io::Error),
    /// See there.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// See there.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// See there.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// A model server printed something else than its address.
    #[error("the model server printed {0:?} and not its address")]
    NoAddress(String),
}

/// The programs that are run.
#[derive(Debug)]
pub struct Binaries {
    bluegreen: PathBuf,
    model: PathBuf,
}

impl Binaries {
    /// Those that cargo has built beside this one.
    ///
    /// # Errors
    /// If one is missing.
    pub fn find(bluegreen: Option<PathBuf>) -> Result<Self, WorldError> {
        // target/PROFILE/examples/demo
        let me = std::env::current_exe()?;
        let examples = me.parent().unwrap_or(Path::new("."));
        let profile = examples.parent().unwrap_or(Path::new("."));
        let found = Self {
            bluegreen: bluegreen.unwrap_or_else(|| profile.join("bluegreen")),
            model: examples.join("fraud-model"),
        };
        for binary in [&found.bluegreen, &found.model] {
            if !binary.is_file() {
                return Err(WorldError::NotBuilt(binary.clone()));
            }
        }
        Ok(found)
    }
}

/// The processes and their directory.
#[derive(Debug)]
pub struct World {
    /// The control plane.
    pub control_plane: ControlPlane,
    listener: ReservedPort,
    envoys: Vec<Envoy>,
    models: Vec<Process>,
    model_binary: PathBuf,
    // Last, so that it is removed when nothing writes into it any more.
    dir: tempfile::TempDir,
}

impl World {
    /// An empty stage.
    ///
    /// # Errors
    /// If there is no place for it.
    pub fn new(binaries: Binaries) -> Result<Self, WorldError> {
        let dir = tempfile::Builder::new()
            .prefix("bluegreen-demo-")
            .tempdir()?;
        Ok(Self {
            control_plane: ControlPlane::new(binaries.bluegreen, dir.path())?,
            listener: ReservedPort::take()?,
            envoys: Vec::new(),
            models: Vec::new(),
            model_binary: binaries.model,
            dir,
        })
    }

    /// The port that all Envoys share.
    pub fn listener(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// Where all files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The fleet.
    pub fn envoys(&self) -> &[Envoy] {
        &self.envoys
    }

    /// Starts the servers of one environment with `version` of the model, and returns their addresses.
    ///
    /// # Errors
    /// If one does not start.
    pub async fn start_model(&mut self, version: &str) -> Result<Vec<SocketAddr>, WorldError> {
        let weights = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/fraud-model/weights")
            .join(format!("{version}.json"));
        let mut addresses = Vec::new();
        for number in 1..=ENDPOINTS {
            let args = [Path::new("--weights"), &weights];
            let name = format!("fraud-model-{version}-{number}");
            let mut server = Process::start(&name, &self.model_binary, args, self.dir.path())?;
            let line = server.first_line(START).await?;
            addresses.push(line.parse().map_err(|_| WorldError::NoAddress(line))?);
            self.models.push(server);
        }
        Ok(addresses)
    }

    /// Starts the fleet. Its proxies are not ready before they have a configuration.
    ///
    /// # Errors
    /// If there is no Envoy, or one does not start.
    pub async fn start_envoys(&mut self) -> Result<(), WorldError> {
        let binary = envoy::binary().await?;
        let bootstrap = envoy::bootstrap(self.control_plane.xds())?;
        let dir = self.dir.path().to_owned();
        let names: Vec<_> = (1..=FLEET_SIZE).map(|n| format!("proxy-{n}")).collect();
        let starts = names
            .iter()
            .map(|name| Envoy::start(&binary, &bootstrap, name, "payments", &dir));
        self.envoys = futures::future::try_join_all(starts).await?;
        Ok(())
    }

    /// Waits until every proxy is ready.
    ///
    /// # Errors
    /// If one is not.
    pub async fn envoys_ready(&mut self) -> Result<(), WorldError> {
        for envoy in &mut self.envoys {
            envoy.ready(READY).await?;
        }
        Ok(())
    }

    /// Ends every process and removes the directory.
    pub async fn shut_down(mut self) {
        for envoy in self.envoys.drain(..) {
            envoy.kill().await;
        }
        self.control_plane.kill().await;
        for model in self.models.drain(..) {
            model.kill().await;
        }
        if let Err(error) = self.dir.close() {
            eprintln!("demo: cannot remove the temporary directory: {error}");
        }
    }
}
