//! A bluegreen server with a generated fleet, as a process of its own, switched through its admin API.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use bluegreen::api::{self, admin_client::AdminClient, command_event::Event};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::oneshot,
    time::timeout,
};
use tonic::{Streaming, transport::Channel};

use crate::shape::{SERVICE, Shape};

/// A start takes some 50 ms; more on a machine that is busy.
const START: Duration = Duration::from_secs(30);

/// How long a switch waits for its fleet: longer than any run that is worth its figures.
const WAIT: Duration = Duration::from_secs(60);

/// Why the server did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("the server could not be started: {0}")]
    Start(#[from] std::io::Error),
    #[error("the server did not say where it listens: its log is above")]
    Silent,
    #[error("the admin API can't be reached: {0}")]
    Connect(#[from] tonic::transport::Error),
    #[error("the server refused: {0}")]
    Refused(#[from] tonic::Status),
    #[error("the command ended with: {0}")]
    Outcome(String),
}

/// The server's own account of one switch.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Proof {
    /// From the command's arrival to the flushed commit, in milliseconds.
    pub durable_ms: f64,
    /// From the command's arrival to the last ACK, in milliseconds.
    pub last_ack_ms: f64,
    /// Proxies that the ledger says have accepted.
    pub acked: u32,
    /// Proxies of the roster.
    pub total: u32,
}

/// A running server. Dropped, it is killed.
pub struct Server {
    pub xds: SocketAddr,
    pub pid: u32,
    child: Child,
    admin: AdminClient<Channel>,
    green: bool,
    _data: TempDir,
}

/// Ports; 0 picks a free one.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub xds: u16,
}

impl Server {
    /// Starts the release build, and applies the documents of a shape.
    pub async fn start(shape: Shape, ports: Ports) -> Result<Self, ServerError> {
        let data = TempDir::new()?;
        let log = std::fs::File::create(data.path().join("server.log"))?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_bluegreen"))
            .args(["serve", "--admin", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(["--xds", &format!("127.0.0.1:{}", ports.xds)])
            .arg("--data-dir")
            .arg(data.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or(ServerError::Silent)?;
        let Ok(Some((xds, admin))) = timeout(START, addresses(&mut child)).await else {
            let log = std::fs::read_to_string(data.path().join("server.log"));
            eprint!("{}", log.unwrap_or_default());
            return Err(ServerError::Silent);
        };
        let mut admin = AdminClient::connect(format!("http://{admin}"))
            .await?
            .max_decoding_message_size(64 << 20);
        let request = api::ApplyRequest {
            files: shape.files(),
            ..Default::default()
        };
        let events = admin.apply(request).await?.into_inner();
        outcome(events).await?;
        Ok(Self {
            xds,
            pid,
            child,
            admin,
            green: false,
            _data: data,
        })
    }

    /// Moves all traffic to the other environment, and returns once that is durable. The proof comes when `acked` proxies
    /// have accepted; meanwhile an operator's command waits for it, as `bluegreen switch` does.
    pub async fn switch(&mut self, acked: usize) -> Result<oneshot::Receiver<Proof>, ServerError> {
        self.green = !self.green;
        let request = api::SwitchRequest {
            meta: Some(api::CommandMeta {
                wait_ms: WAIT.as_millis() as u64,
                actor: "fleet bench".to_owned(),
                ..Default::default()
            }),
            service: SERVICE.to_owned(),
            to: if self.green {
                api::Colour::Green
            } else {
                api::Colour::Blue
            } as i32,
            // The endpoints of a generated fleet do not exist.
            waive: Some(api::Waivers {
                skip_probe: true,
                force: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut events = self.admin.switch(request).await?.into_inner();
        let mut proof = Proof::default();
        loop {
            match events.message().await?.and_then(|message| message.event) {
                Some(Event::Durable(durable)) => {
                    proof.durable_ms = durable.ms;
                    break;
                }
                Some(Event::Outcome(outcome)) => return Err(ServerError::Outcome(outcome.message)),
                Some(_) => {}
                None => return Err(ServerError::Outcome("nothing".to_owned())),
            }
        }
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            while let Ok(Some(message)) = events.message().await {
                if let Some(Event::Delivery(delivery)) = message.event {
                    proof.acked = delivery.acked;
                    proof.total = delivery.total;
                    proof.last_ack_ms = delivery.last_ack_ms.unwrap_or_default();
                    if delivery.acked as usize >= acked {
                        break;
                    }
                }
            }
            // Whoever asked may not want to know any more.
            let _ = sender.send(proof);
        });
        Ok(receiver)
    }

    /// The weights that every proxy has after the last switch.
    pub fn weights(&self) -> String {
        let (blue, green) = if self.green { (0, 100) } else { (100, 0) };
        format!("{SERVICE}/blue={blue},{SERVICE}/green={green}")
    }

    /// The process has ended.
    pub fn has_ended(&mut self) -> bool {
        // An error: it cannot be waited for, which is an end too.
        !matches!(self.child.try_wait(), Ok(None))
    }
}

/// Where it listens: for proxies, and for operators.
async fn addresses(child: &mut Child) -> Option<(SocketAddr, SocketAddr)> {
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    let (mut xds, mut admin) = (None, None);
    while let Ok(Some(line)) = lines.next_line().await {
        let (what, address) = line.split_once(" listening on ")?;
        match what {
            "xds" => xds = address.parse().ok(),
            "admin" => admin = address.parse().ok(),
            _ => return Some((xds?, admin?)),
        }
    }
    None
}

/// Reads a command to its end, which must be a good one.
async fn outcome(mut events: Streaming<api::CommandEvent>) -> Result<(), ServerError> {
    while let Some(message) = events.message().await? {
        if let Some(Event::Outcome(outcome)) = message.event {
            return match outcome.exit_code {
                0 => Ok(()),
                _ => Err(ServerError::Outcome(outcome.message)),
            };
        }
    }
    Err(ServerError::Outcome("nothing".to_owned()))
}
