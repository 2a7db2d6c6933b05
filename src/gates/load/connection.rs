//! One connection of a load: sends one request at a time, and reads its answer without keeping it.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::{
    super::{client::MAX_ANSWER, tls::Tls},
    shot::Shot,
};
use crate::model::Protocol;

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// No connection.
    Connect,
    /// No TLS on the connection: mostly a certificate that is not trusted, or for another name.
    Tls,
    /// The connection broke before the answer had ended.
    Broken,
    /// No whole answer in time.
    Timeout,
    /// A status from 400.
    Status(u16),
    /// A body longer than is read.
    TooLong,
    /// Never sent: all connections waited for answers, until the end.
    Unsent,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connect => f.write_str("without a connection"),
            Failure::Tls => f.write_str(
                "without TLS: the certificate is not trusted or for another name, see the check's tls",
            ),
            Failure::Broken => f.write_str("broken connections"),
            Failure::Timeout => f.write_str("without an answer in time"),
            Failure::Status(status) => write!(f, "with status {status}"),
            Failure::TooLong => f.write_str("with endless answers"),
            Failure::Unsent => f.write_str("never sent, all connections being busy"),
        }
    }
}

/// An open connection. Dropped, it is closed.
pub(super) struct Connection {
    sender: Sender,
    driver: JoinHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Opens connections to one address.
pub(super) struct Opener {
    address: SocketAddr,
    protocol: Protocol,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Opener {
    pub(super) fn new(address: SocketAddr, protocol: Protocol, tls: Option<&Tls>) -> Self {
        let spoken: &[&[u8]] = match protocol {
            Protocol::Http1 => &[b"http/1.1"],
            Protocol::Http2 | Protocol::Grpc => &[b"h2"],
        };
        let tls = tls.map(|tls| {
            let name = tls.name.clone().unwrap_or_else(|| address.ip().into());
            (TlsConnector::from(tls.speaking(spoken)), name)
        });
        Self {
            address,
            protocol,
            tls,
        }
    }

    pub(super) async fn open(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|_| Failure::Connect)?;
        stream.set_nodelay(true).map_err(|_| Failure::Connect)?;
        match &self.tls {
            None => Connection::over(stream, self.protocol).await,
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), stream).await;
                Connection::over(secured.map_err(|_| Failure::Tls)?, self.protocol).await
            }
        }
    }
}

impl Connection {
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        protocol: Protocol,
    ) -> Result<Self, Failure> {
        let stream = TokioIo::new(stream);
        // The drivers end with their connection, and the errors that they return are those of the exchanges.
        Ok(match protocol {
            Protocol::Http1 => {
                let (sender, driver) = http1::handshake(stream)
                    .await
                    .map_err(|_| Failure::Connect)?;
                Self {
                    sender: Sender::Http1(sender),
                    driver: tokio::spawn(async move { drop(driver.await) }),
                }
            }
            Protocol::Http2 | Protocol::Grpc => {
                let handshake = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, driver) = handshake.map_err(|_| Failure::Connect)?;
                Self {
                    sender: Sender::Http2(sender),
                    driver: tokio::spawn(async move { drop(driver.await) }),
                }
            }
        })
    }

    pub(super) fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }

    /// Sends a request and reads its answer to the end.
    pub(super) async fn send(&mut self, shot: &Shot, authority: &str) -> Result<(), Failure> {
        let mut request = Request::new(Full::new(shot.body.clone()));
        *request.method_mut() = shot.method.clone();
        let host = shot.headers.get(header::HOST);
        match &self.sender {
            Sender::Http1(_) => {
                *request.uri_mut() = shot.path.clone();
                let host = match host {
                    Some(host) => host.clone(),
                    None => HeaderValue::from_str(authority).map_err(|_| Failure::Connect)?,
                };
                request.headers_mut().insert(header::HOST, host);
            }
            Sender::Http2(_) => {
                let host = host.and_then(|it| it.to_str().ok()).unwrap_or(authority);
                let uri = Uri::builder()
                    .scheme("http")
                    .authority(host)
                    .path_and_query(shot.path.path_and_query().map_or("/", |it| it.as_str()));
                *request.uri_mut() = uri.build().map_err(|_| Failure::Connect)?;
                *request.version_mut() = http::Version::HTTP_2;
            }
        }
        for (name, value) in shot.headers.iter().filter(|(name, _)| !is_own(name)) {
            request.headers_mut().append(name, value.clone());
        }
        let response = match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        };
        let response = response.map_err(|_| Failure::Broken)?;
        let status = response.status();
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::Broken)?;
            length += frame.data_ref().map_or(0, Bytes::len);
            if length > MAX_ANSWER {
                return Err(Failure::TooLong);
            }
        }
        if status.as_u16() >= 400 {
            return Err(Failure::Status(status.as_u16()));
        }
        Ok(())
    }
}

/// Whether a header is made here, for each connection, and not taken from the shot.
fn is_own(name: &http::HeaderName) -> bool {
    *name == header::HOST
}
