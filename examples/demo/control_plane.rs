//! The control plane as its operator has it: a server process, and a command line that talks to it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use crate::{
    http, ports,
    process::{Process, ProcessError},
};

/// A start takes some 50 ms; more on a machine that is busy compiling.
const START: Duration = Duration::from_secs(20);

/// A command waits 30 s for the fleet at most, and says so itself.
const COMMAND: Duration = Duration::from_secs(60);

/// Why the control plane did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// The server did not start.
    #[error(transparent)]
    Server(#[from] ProcessError),
    /// No port, no data directory.
    #[error("cannot prepare the control plane: {0}")]
    Prepare(#[from] std::io::Error),
    /// A command failed.
    #[error("`bluegreen {command}` failed ({status}): {stderr}")]
    Command {
        command: String,
        status: String,
        stderr: String,
    },
    /// A command printed something else than was expected.
    #[error(
        "`bluegreen {command} -o json` printed what the demo does not understand: {source}\n{stdout}"
    )]
    Output {
        command: String,
        stdout: String,
        source: serde_json::Error,
    },
}

/// The server and how to reach it.
#[derive(Debug)]
pub struct ControlPlane {
    binary: PathBuf,
    dir: PathBuf,
    xds: SocketAddr,
    admin: SocketAddr,
    http: SocketAddr,
    server: Option<Process>,
}

/// What `switch` and `rollback` answer: the proof.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The revision that moved the traffic.
    pub revision: u64,
    /// The version that had the traffic.
    pub from_version: String,
    /// The version that has it now.
    pub to_version: String,
    /// How the fleet took it.
    pub proxies: Proxies,
    /// How long it took.
    pub ms: Ms,
}

/// Milliseconds from the command's arrival at the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ms {
    /// To the flushed commit.
    pub durable: Option<f64>,
    /// To the first ACK.
    pub first_ack: Option<f64>,
    /// To the last ACK.
    pub last_ack: Option<f64>,
}

/// How many proxies of the fleet accepted a revision.
#[derive(Clone, Debug, Deserialize)]
pub struct Proxies {
    pub total: u32,
    pub acked: u32,
    pub pending: u32,
    pub nacked: u32,
    pub disconnected: u32,
}

impl Proxies {
    /// Whether there are `expected`, and all have accepted.
    pub fn all(&self, expected: usize) -> bool {
        usize::try_from(self.acked) == Ok(expected) && self.acked == self.total
    }
}

/// A command that was run, and when: the load's samples are compared with this.
#[derive(Clone, Debug)]
pub struct Ran<T> {
    /// When it was started.
    pub started: Instant,
    /// When it had returned.
    pub returned: Instant,
    /// What it printed.
    pub answer: T,
}

impl ControlPlane {
    /// One with its data in `dir`. It is not started.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn new(binary: PathBuf, dir: &Path) -> Result<Self, ControlPlaneError> {
        Ok(Self {
            binary,
            dir: dir.to_owned(),
            // Not port 0: after a crash it must come back where its proxies look for it.
            xds: ports::free()?,
            admin: ports::free()?,
            http: ports::free()?,
            server: None,
        })
    }

    /// Where proxies connect.
    pub fn xds(&self) -> SocketAddr {
        self.xds
    }

    /// What `--server` or `BLUEGREEN_SERVER` must be.
    pub fn server(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// The binary.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Starts the server, and waits until it says that it is ready.
    ///
    /// # Errors
    /// If it does not get there.
    pub async fn start(&mut self) -> Result<(), ControlPlaneError> {
        let args = [
            "serve".into(),
            format!("--xds={}", self.xds),
            format!("--admin={}", self.admin),
            format!("--http={}", self.http),
            format!("--data-dir={}", self.dir.join("data").display()),
            format!("--check-data={}", self.dir.display()),
            // Seldom enough for any fleet is 10 s; the demo is too short for that.
            "--load-report-interval=500ms".to_owned(),
        ];
        let mut server = Process::start("control-plane", &self.binary, args, &self.dir)?;
        let http = self.http;
        server
            .wait_for(START, "was not ready", async || {
                let (status, _) = http::get(http, "/readyz").await.ok()?;
                status.is_success().then_some(())
            })
            .await?;
        self.server = Some(server);
        Ok(())
    }

    /// Kills the server with signal 9, and returns the process id it had.
    pub async fn kill(&mut self) -> u32 {
        let Some(server) = self.server.take() else {
            return 0;
        };
        let id = server.id();
        server.kill().await;
        id
    }

    /// Runs one command, as its user would, with `-o json`.
    ///
    /// # Errors
    /// If it cannot be run, fails, or prints no JSON.
    pub async fn run(&self, args: &[&str]) -> Result<Ran<Value>, ControlPlaneError> {
        let command = args.join(" ");
        let started = Instant::now();
        let output = Command::new(&self.binary)
            .args(args)
            .args(["-o", "json"])
            .env("BLUEGREEN_SERVER", self.server())
            .process_group(0)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(COMMAND, output).await.map_err(|_| {
            ControlPlaneError::Command {
                command: command.clone(),
                status: format!("no end within {COMMAND:?}"),
                stderr: String::new(),
            }
        })??;
        let returned = Instant::now();
        if !output.status.success() {
            return Err(ControlPlaneError::Command {
                command,
                status: output.status.to_string(),
                stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        let answer =
            serde_json::from_slice(&output.stdout).map_err(|source| ControlPlaneError::Output {
                command,
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                source,
            })?;
        Ok(Ran {
            started,
            returned,
            answer,
        })
    }

    /// Runs `switch` or `rollback`.
    ///
    /// # Errors
    /// If it fails, or prints no proof.
    pub async fn flip(&self, args: &[&str]) -> Result<Ran<Proof>, ControlPlaneError> {
        let ran = self.run(args).await?;
        let answer =
            Proof::deserialize(&ran.answer).map_err(|source| ControlPlaneError::Output {
                command: args.join(" "),
                stdout: ran.answer.to_string(),
                source,
            })?;
        Ok(Ran {
            started: ran.started,
            returned: ran.returned,
            answer,
        })
    }
}
