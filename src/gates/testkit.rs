//! For tests of checks: contexts, servers that answer, and servers that do everything else.

use std::{net::SocketAddr, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};

use super::{Context, Side, Target, client::Client};
use crate::{
    model::{Colour, Protocol, check::CheckSpec},
    telemetry::Telemetry,
};

/// A release of v1.3 (green) over v1.2 (blue), at these endpoints.
pub(crate) fn context(candidate: &[SocketAddr], baseline: &[SocketAddr]) -> Context {
    let side = |colour: Colour, version: &str, endpoints: &[SocketAddr]| Side {
        colour,
        version: version.to_owned(),
        cluster: format!("fraud-model/{colour}"),
        endpoints: endpoints.to_vec(),
        settings: None,
    };
    Context {
        target: Arc::new(Target {
            fleet: "payments".parse().unwrap(),
            service: "fraud-model".parse().unwrap(),
            protocol: Protocol::Http1,
            host: None,
            candidate: side(Colour::Green, "v1.3", candidate),
            baseline: Some(side(Colour::Blue, "v1.2", baseline)),
            proxies: Vec::new(),
            preview: None,
        }),
        client: Client::new().unwrap(),
        telemetry: Arc::new(Telemetry::new(Timestamp::UNIX_EPOCH, || {})),
        decisions: watch::channel(Vec::new()).1,
        files: None,
        clock: Arc::new(|| Timestamp::UNIX_EPOCH),
    }
}

/// The same context with another target.
pub(crate) fn aimed(mut context: Context, change: impl FnOnce(&mut Target)) -> Context {
    change(Arc::make_mut(&mut context.target));
    context
}

/// A check as it is written.
pub(crate) fn spec(value: Value) -> Arc<CheckSpec> {
    Arc::new(serde_json::from_value(value).unwrap())
}

/// A server with these routes.
pub(crate) async fn serve(router: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// What a raw server does once it has sent its bytes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    /// It closes the connection.
    Close,
    /// It says nothing more.
    Hang,
    /// It sends zeros until nobody reads them.
    Flood,
}

/// A server that reads the head of each request, sends these bytes, and then does this.
pub(crate) async fn raw(bytes: &'static str, then: Then) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                let mut buffer = [0; 4096];
                while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                    match socket.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(length) => seen.extend_from_slice(&buffer[..length]),
                    }
                }
                let _ = socket.write_all(bytes.as_bytes()).await;
                match then {
                    Then::Close => {}
                    Then::Hang => std::future::pending().await,
                    Then::Flood => while socket.write_all(&[b'0'; 65_536]).await.is_ok() {},
                }
            });
        }
    });
    address
}

/// An address at which nobody listens.
pub(crate) async fn refused() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
