//! What makes a switch: a shell command, an HTTP POST, or the server that the bench started itself.

use std::{net::SocketAddr, process::Stdio};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    sync::oneshot,
};

use crate::server::{Proof, Server, ServerError};

/// A switch could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    #[error("--trigger {0:?} ended with {1}")]
    Command(String, std::process::ExitStatus),
    #[error("--trigger {0:?} could not be run: {1}")]
    Run(String, #[source] std::io::Error),
    #[error("--trigger {0:?}: write http://IP:PORT/PATH or a shell command")]
    Url(String),
    #[error("--trigger {0:?} was answered with {1:?}")]
    Answer(String, String),
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Makes switches.
pub enum Trigger {
    Own(Box<Server>),
    Shell(String),
    Post {
        url: String,
        server: SocketAddr,
        path: String,
    },
    /// The fleet is only warmed up.
    None,
}

impl Trigger {
    /// Reads `--trigger`.
    pub fn parse(text: Option<&str>) -> Result<Self, TriggerError> {
        let Some(text) = text else {
            return Ok(Self::None);
        };
        let Some(rest) = text.strip_prefix("http://") else {
            return Ok(Self::Shell(text.to_owned()));
        };
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self::Post {
            url: text.to_owned(),
            server: server
                .parse()
                .map_err(|_| TriggerError::Url(text.to_owned()))?,
            path: format!("/{path}"),
        })
    }

    /// Makes the `round`-th switch. `started` is called at the moment that counts as its beginning: what has to be prepared
    /// (a connection) is there by then. The server's own proof comes when `acked` proxies have accepted.
    pub async fn fire(
        &mut self,
        round: usize,
        acked: usize,
        started: impl FnOnce(),
    ) -> Result<Option<oneshot::Receiver<Proof>>, TriggerError> {
        match self {
            Self::None => {}
            Self::Own(server) => {
                started();
                return Ok(Some(server.switch(acked).await?));
            }
            Self::Shell(command) => {
                started();
                let status = Command::new("sh")
                    .args(["-c", command])
                    .env("SWITCH", round.to_string())
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .status()
                    .await
                    .map_err(|error| TriggerError::Run(command.clone(), error))?;
                if !status.success() {
                    return Err(TriggerError::Command(command.clone(), status));
                }
            }
            Self::Post { url, server, path } => {
                let failed = |error| TriggerError::Run(url.clone(), error);
                let mut tcp = TcpStream::connect(*server).await.map_err(failed)?;
                tcp.set_nodelay(true).map_err(failed)?;
                let request = format!(
                    "POST {path} HTTP/1.1\r\nhost: {server}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                started();
                tcp.write_all(request.as_bytes()).await.map_err(failed)?;
                let mut answer = String::new();
                tcp.read_to_string(&mut answer).await.map_err(failed)?;
                if !answer.starts_with("HTTP/1.1 2") {
                    let first = answer.lines().next().unwrap_or_default();
                    return Err(TriggerError::Answer(url.clone(), first.to_owned()));
                }
            }
        }
        Ok(None)
    }
}
