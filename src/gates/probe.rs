//! Asks endpoints whether they answer: with a GET of the health path where there is one, else with a TCP connect.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::timeout};

use crate::model::{HealthCheck, Protocol};

/// So many endpoints are asked at once: enough for a rack in one round, few enough for any limit of open files.
const CONCURRENCY: usize = 128;

/// How long an endpoint may take.
#[derive(Clone, Copy, Debug)]
pub struct ProbeOptions {
    /// The longest that one endpoint may take, connect and answer together, where its health check says nothing.
    pub timeout: Duration,
    /// The most that a health check's own timeout may ask for.
    pub longest: Duration,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            // A switch waits for this with an operator in front of it: an endpoint in a data centre that takes
            // longer than this to accept a connection would fail requests anyway.
            timeout: Duration::from_secs(2),
            longest: Duration::from_secs(10),
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct ProbeTarget<'a> {
    /// What the endpoints speak; decides the HTTP version of the GET.
    pub protocol: Protocol,
    /// Its path is asked; None: a TCP connect is enough.
    pub health_check: Option<&'a HealthCheck>,
}

/// An endpoint that did not answer as it should.
#[derive(Debug)]
pub struct Unreachable {
    /// Which.
    pub address: SocketAddr,
    /// Why it counts as unreachable.
    pub error: ProbeError,
}

/// Why an endpoint counts as unreachable.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No TCP connection.
    #[error("can't connect: {0}")]
    Connect(#[source] std::io::Error),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// It accepted the connection and did not speak HTTP, or broke off.
    #[error("GET {path} failed: {source}")]
    Http {
        /// The health path.
        path: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// It answered something else than 200, which the Envoys will count as unhealthy too.
    #[error("GET {path} answered {status}")]
    Status {
        /// The health path.
        path: String,
        /// The answer.
        status: StatusCode,
    },
    /// The health path makes no request.
    #[error("the health path {path:?} can't be asked: {source}")]
    Path {
        /// As declared.
        path: String,
        /// Why not.
        #[source]
        source: http::Error,
    },
}

/// Asks all endpoints at once; returns those that don't answer, in the order of `addresses`.
pub async fn probe(
    target: ProbeTarget<'_>,
    addresses: &[SocketAddr],
    options: ProbeOptions,
) -> Vec<Unreachable> {
    let limit = target.health_check.map_or(options.timeout, |check| {
        check.timeout.0.max(options.timeout).min(options.longest)
    });
    // `buffered` keeps the order, and never has more than CONCURRENCY sockets open.
    let questions: Vec<_> = addresses
        .iter()
        .map(|address| ask_in_time(target, *address, limit))
        .collect();
    let answers: Vec<_> = stream::iter(questions)
        .buffered(CONCURRENCY)
        .collect()
        .await;
    answers.into_iter().flatten().collect()
}

async fn ask_in_time(
    target: ProbeTarget<'_>,
    address: SocketAddr,
    limit: Duration,
) -> Option<Unreachable> {
    let answer = timeout(limit, ask(target, address))
        .await
        .unwrap_or(Err(ProbeError::Timeout(limit)));
    answer.err().map(|error| Unreachable { address, error })
}

async fn ask(target: ProbeTarget<'_>, address: SocketAddr) -> Result<(), ProbeError> {
    let socket = TcpStream::connect(address)
        .await
        .map_err(ProbeError::Connect)?;
    let Some(check) = target.health_check else {
        return Ok(());
    };
    let path = check.path.as_str();
    let wrong = |source| ProbeError::Http {
        path: path.to_owned(),
        source,
    };
    // The authority is Envoy's own default for health checks of an address: nothing but the address is known here.
    let request = Request::get(match target.protocol {
        Protocol::Http1 => path.to_owned(),
        Protocol::Http2 | Protocol::Grpc => format!("http://{address}{path}"),
    })
    .header(header::USER_AGENT, "bluegreen-probe");
    let request = match target.protocol {
        Protocol::Http1 => request.header(header::HOST, address.to_string()),
        Protocol::Http2 | Protocol::Grpc => request,
    }
    .body(Empty::<Bytes>::new())
    .map_err(|source| ProbeError::Path {
        path: path.to_owned(),
        source,
    })?;
    let socket = TokioIo::new(socket);
    let response = match target.protocol {
        Protocol::Http1 => {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(socket)
                .await
                .map_err(wrong)?;
            with_connection(sender.send_request(request), connection).await
        }
        Protocol::Http2 | Protocol::Grpc => {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), socket)
                    .await
                    .map_err(wrong)?;
            with_connection(sender.send_request(request), connection).await
        }
    };
    match response.map_err(wrong)?.status() {
        StatusCode::OK => Ok(()),
        status => Err(ProbeError::Status {
            path: path.to_owned(),
            status,
        }),
    }
}

/// Drives the connection until the response is there, and drops it then: no task outlives the probe.
async fn with_connection<T>(
    response: impl Future<Output = hyper::Result<T>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> hyper::Result<T> {
    tokio::pin!(response, connection);
    tokio::select! {
        biased;
        response = &mut response => response,
        ended = &mut connection => match ended {
            // The connection may end in the same poll that completes the response.
            Ok(()) => response.await,
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        gates::testkit::{Then, raw, refused},
        model::HumanDuration,
    };

    fn health(path: &str) -> HealthCheck {
        HealthCheck {
            path: path.to_owned(),
            interval: HumanDuration(Duration::from_secs(1)),
            timeout: HumanDuration(Duration::from_secs(5)),
        }
    }

    #[tokio::test]
    async fn a_health_path_must_answer_200() {
        let good = raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Then::Close).await;
        let unavailable = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        let bad = raw(unavailable, Then::Close).await;
        let check = health("/healthz");
        let target = ProbeTarget {
            protocol: Protocol::Http1,
            health_check: Some(&check),
        };
        let away = refused().await;
        let found = probe(target, &[good, bad, away], ProbeOptions::default()).await;
        let addresses: Vec<_> = found.iter().map(|one| one.address).collect();
        assert_eq!(addresses, [bad, away]);
        assert_eq!(
            found[0].error.to_string(),
            "GET /healthz answered 503 Service Unavailable"
        );
        assert!(matches!(found[1].error, ProbeError::Connect(_)));
    }

    #[tokio::test]
    async fn without_a_health_path_a_connect_is_enough() {
        let silent = raw("", Then::Hang).await;
        let target = ProbeTarget {
            protocol: Protocol::Grpc,
            health_check: None,
        };
        let away = refused().await;
        let addresses = [silent, away];
        let found = probe(target, &addresses, ProbeOptions::default()).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, away);
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let silent = raw("", Then::Hang).await;
        let check = health("/");
        let target = ProbeTarget {
            protocol: Protocol::Http1,
            health_check: Some(&check),
        };
        let options = ProbeOptions {
            timeout: Duration::from_millis(20),
            longest: Duration::from_millis(50),
        };
        let found = probe(target, &[silent], options).await;
        assert!(matches!(found[0].error, ProbeError::Timeout(_)));
    }
}
