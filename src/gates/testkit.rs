//! For tests of checks: contexts, servers that answer, and servers that do everything else.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use jiff::Timestamp;
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

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
        since: None,
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
            astray: Vec::new(),
            step: None,
            preview: None,
        }),
        client: Client::new().unwrap(),
        telemetry: Arc::new(Telemetry::new(|| Timestamp::UNIX_EPOCH, || {})),
        decisions: watch::channel(Vec::new()).1,
        files: None,
        clock: Arc::new(|| Timestamp::UNIX_EPOCH),
    }
}

/// A clock that shows what it was set to last, and what sets it.
pub(crate) fn set_by_hand(
    first: Timestamp,
) -> (
    impl Fn(Timestamp),
    impl Fn() -> Timestamp + Clone + Send + Sync,
) {
    let hand = Arc::new(Mutex::new(first));
    let read = hand.clone();
    let set = move |at| *hand.lock().unwrap() = at;
    (set, move || *read.lock().unwrap())
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

/// A certificate authority of a test's own.
pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self {
            certificate: params.self_signed(&key).unwrap(),
            key,
        }
    }

    /// Its certificate, as one gives it to those who are to trust it.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// What a server with a certificate for these names needs.
    fn server(&self, names: &[&str]) -> ServerConfig {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(names).unwrap();
        let certificate = params
            .signed_by(&key, &self.certificate, &self.key)
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

/// A server with these routes over TLS, HTTP/1.1 and HTTP/2, with a certificate of the authority for these names.
pub(crate) async fn serve_tls(
    router: axum::Router,
    authority: &Authority,
    names: &[&str],
) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(names)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                // Who does not trust the certificate goes away.
                let Ok(stream) = acceptor.accept(socket).await else {
                    return;
                };
                let service = TowerToHyperService::new(router);
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
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
