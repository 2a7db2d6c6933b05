//! Makes HTTP requests whose answers are bounded: in size, in time, and in the ways in which they can go wrong.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout_at};

use super::{outside::Names, tls::Tls};
use crate::model::Protocol;

/// The longest answer that is read, in bytes, unless a check needs more: a page of JSON, not a download.
pub const MAX_ANSWER: usize = 4 << 20;

/// So many redirects are followed, where they are: more is a loop.
const MAX_REDIRECTS: usize = 5;

/// A connection is kept so long for the next request. Shorter than any server's own patience (5 s is the shortest
/// common one), so that no request meets a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(1);

type Connections = legacy::Client<HttpsConnector<HttpConnector<Names>>, Full<Bytes>>;

/// Makes requests. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    http1: Connections,
    http2: Connections,
    tls: Tls,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: Uri,
    /// Headers; `host` overrules that of the URL.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// What is spoken.
    pub protocol: Protocol,
    /// The longest for everything, from the connect to the last byte of the answer.
    pub timeout: Duration,
    /// The longest body of an answer, in bytes.
    pub max_answer: usize,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
}

impl Ask {
    /// A request over HTTP/1.1, bounded by [`MAX_ANSWER`].
    pub fn new(method: Method, url: Uri, timeout: Duration) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            protocol: Protocol::Http1,
            timeout,
            max_answer: MAX_ANSWER,
            follow_redirects: false,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn with_json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into();
        let json = HeaderValue::from_static("application/json");
        self.with_header(header::CONTENT_TYPE, json)
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, all of it.
    pub body: Bytes,
    /// From before the connect to the last byte.
    pub took: Duration,
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No connection.
    #[error("can't connect: {0}")]
    Connect(String),
    /// The TLS handshake failed.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// Nothing came in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer began, and did not end in time.
    #[error("the answer did not end within {} ms: {bytes} bytes came", limit.as_millis())]
    Slow {
        /// The limit.
        limit: Duration,
        /// What came of the body.
        bytes: usize,
    },
    /// The answer is longer than is read.
    #[error("the answer is longer than {limit} bytes, the most that is read")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The connection ended before an answer began.
    #[error("the connection was closed without an answer")]
    NoAnswer,
    /// The connection ended in the middle of the answer.
    #[error(
        "the connection was closed in the middle of the answer, after {bytes} bytes of its body"
    )]
    Broken {
        /// What came of the body.
        bytes: usize,
    },
    /// What came is no HTTP, or not the version that was asked.
    #[error("the answer is no HTTP: {0}")]
    NotHttp(String),
    /// The request was turned down by HTTP/2's own means, without an answer: gRPC servers do so with what is no gRPC.
    #[error("the server reset the stream of HTTP/2: {0}")]
    Reset(String),
    /// It led from one place to the next and to no end.
    #[error("more than {MAX_REDIRECTS} redirects")]
    Redirects,
    /// A redirect that leads nowhere.
    #[error("a redirect to {0:?}, which is no URL")]
    Location(String),
    /// The request itself can't be made.
    #[error("the request can't be made: {0}")]
    Request(String),
}

impl Client {
    /// A client that trusts the system's certificates.
    ///
    /// # Errors
    /// If the TLS library can't be set up.
    pub fn new() -> io::Result<Self> {
        Ok(Self::with(Tls::of_system()?))
    }

    /// A client with a TLS of its own.
    pub(super) fn with(tls: Tls) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Names);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let builder = || {
            let mut builder = legacy::Client::builder(TokioExecutor::new());
            builder
                .pool_idle_timeout(IDLE)
                .pool_timer(TokioTimer::new());
            builder
        };
        let secured = || {
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls.config.clone())
                .https_or_http();
            match &tls.name {
                Some(name) => {
                    connector.with_server_name_resolver(FixedServerNameResolver::new(name.clone()))
                }
                None => connector,
            }
        };
        let http1 = secured().enable_http1().wrap_connector(tcp.clone());
        let http2 = secured().enable_http2().wrap_connector(tcp);
        Self {
            http1: builder().build(http1),
            http2: builder().http2_only(true).build(http2),
            tls,
        }
    }

    /// For those who make their connections themselves.
    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Makes a request, and reads its answer to the end.
    ///
    /// # Errors
    /// If there is no whole answer within the bounds of the request. Any status is an answer.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, AskError> {
        let began = Instant::now();
        let deadline = began + ask.timeout;
        let mut ask = ask;
        for _ in 0..=MAX_REDIRECTS {
            let mut answer = self.once(&ask, deadline).await?;
            answer.took = began.elapsed();
            let location = answer.headers.get(header::LOCATION);
            let (true, true, Some(location)) = (
                ask.follow_redirects,
                answer.status.is_redirection(),
                location,
            ) else {
                return Ok(answer);
            };
            ask = redirected(ask, answer.status, location)?;
        }
        Err(AskError::Redirects)
    }

    async fn once(&self, ask: &Ask, deadline: Instant) -> Result<Answer, AskError> {
        let (client, version) = match ask.protocol {
            Protocol::Http1 => (&self.http1, http::Version::HTTP_11),
            Protocol::Http2 | Protocol::Grpc => (&self.http2, http::Version::HTTP_2),
        };
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.url.clone();
        *request.version_mut() = version;
        *request.headers_mut() = ask.headers.clone();
        let agent = HeaderValue::from_static("bluegreen-check");
        request
            .headers_mut()
            .entry(header::USER_AGENT)
            .or_insert(agent);
        let response = match timeout_at(deadline, client.request(request)).await {
            Ok(response) => response.map_err(|error| explain(&error))?,
            Err(_) => return Err(AskError::Timeout(ask.timeout)),
        };
        let (head, body) = response.into_parts();
        let body = read(body, ask, deadline).await?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            took: Duration::ZERO,
        })
    }
}

/// The next request after a redirect: a GET after 303, the same again else.
fn redirected(mut ask: Ask, status: StatusCode, to: &HeaderValue) -> Result<Ask, AskError> {
    let wrong = || AskError::Location(String::from_utf8_lossy(to.as_bytes()).into_owned());
    let text = to.to_str().map_err(|_| wrong())?;
    let target: Uri = text.parse().map_err(|_| wrong())?;
    let mut parts = ask.url.clone().into_parts();
    if let Some(authority) = target.authority() {
        let same = parts.authority.as_ref() == Some(authority);
        parts.scheme = target.scheme().cloned();
        parts.authority = Some(authority.clone());
        if !same {
            // What was meant for one server (a token, its name) is not told to another.
            ask.headers.remove(header::HOST);
            ask.headers.remove(header::AUTHORIZATION);
            ask.headers.remove(header::COOKIE);
        }
    }
    parts.path_and_query = target.path_and_query().cloned();
    ask.url = Uri::from_parts(parts).map_err(|_| wrong())?;
    if status == StatusCode::SEE_OTHER {
        ask.method = Method::GET;
        ask.body = Bytes::new();
        ask.headers.remove(header::CONTENT_TYPE);
    }
    Ok(ask)
}

async fn read(mut body: Incoming, ask: &Ask, deadline: Instant) -> Result<Bytes, AskError> {
    let mut whole = BytesMut::new();
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(_))) => return Err(AskError::Broken { bytes: whole.len() }),
            Err(_) => {
                return Err(AskError::Slow {
                    limit: ask.timeout,
                    bytes: whole.len(),
                });
            }
        };
        // Trailers carry nothing that a check reads.
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > ask.max_answer {
                return Err(AskError::TooLong {
                    limit: ask.max_answer,
                });
            }
            whole.extend_from_slice(&data);
        }
    }
}

/// rustls' error, as deep as it may be wrapped.
fn tls_in(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    let deeper = || inner.downcast_ref::<io::Error>().and_then(tls_in);
    inner.downcast_ref::<rustls::Error>().or_else(deeper)
}

/// hyper's errors say what they are only in their sources.
fn explain(error: &legacy::Error) -> AskError {
    let mut source = std::error::Error::source(error);
    let mut last = error.to_string();
    while let Some(cause) = source {
        last = cause.to_string();
        if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
            if hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed() {
                return AskError::NoAnswer;
            }
            if hyper.is_parse() {
                return AskError::NotHttp(hyper.to_string());
            }
            if hyper.is_user() {
                return AskError::Request(hyper.to_string());
            }
        }
        if let Some(http2) = cause.downcast_ref::<h2::Error>()
            && http2.is_reset()
            && http2.is_remote()
            // Who says this does not speak HTTP/2 here.
            && http2.reason() != Some(h2::Reason::HTTP_1_1_REQUIRED)
        {
            return AskError::Reset(last);
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return AskError::Tls(tls.to_string());
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if let Some(tls) = tls_in(io) {
                return AskError::Tls(tls.to_string());
            }
            if !error.is_connect() {
                return AskError::NoAnswer;
            }
        }
        source = cause.source();
    }
    if error.is_connect() {
        AskError::Connect(last)
    } else {
        AskError::NotHttp(last)
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
