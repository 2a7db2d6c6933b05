//! One request on a connection of its own: enough to ask an admin port something.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header, request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Loopback answers in milliseconds; a port that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks `addr` for `path`.
///
/// # Errors
/// If nothing listens there, the connection breaks, or no answer comes within [`TIMEOUT`].
pub async fn get(addr: SocketAddr, path: &str) -> io::Result<(StatusCode, Bytes)> {
    get_with(addr, path, &[]).await
}

/// Posts a body to `addr` at `path`.
///
/// # Errors
/// As [`get`].
pub async fn post(addr: SocketAddr, path: &str, body: String) -> io::Result<(StatusCode, Bytes)> {
    within(addr, Request::post(path), path, body).await
}

/// The same, with these headers.
///
/// # Errors
/// As [`get`].
pub async fn get_with(
    addr: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<(StatusCode, Bytes)> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    within(addr, request, path, String::new()).await
}

async fn within(
    addr: SocketAddr,
    builder: request::Builder,
    path: &str,
    body: String,
) -> io::Result<(StatusCode, Bytes)> {
    tokio::time::timeout(TIMEOUT, send(addr, builder, body))
        .await
        .map_err(|_| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{addr}{path} did not answer"),
            )
        })?
}

async fn send(
    addr: SocketAddr,
    builder: request::Builder,
    body: String,
) -> io::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let said = builder.headers_ref();
    let builder = match said.is_some_and(|said| said.contains_key(header::HOST)) {
        true => builder,
        false => builder.header(header::HOST, addr.to_string()),
    };
    let request = builder
        .body(Full::new(Bytes::from(body)))
        .map_err(io::Error::other)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(io::Error::other)?;
    driver.abort();
    Ok((status, body.to_bytes()))
}
