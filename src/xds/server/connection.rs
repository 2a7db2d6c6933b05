//! One HTTP/2 connection, in one task: it reads and writes frames, and runs the discovery streams on it.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use h2::{RecvStream, server::SendResponse};
use http::{Method, Request, header};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tonic::Status;

use super::{
    chunk::Chunk,
    elsewhere,
    gate::Gate,
    grpc,
    keepalive::Keepalive,
    services::{self, Services},
};

/// A client that says nothing is dropped after this long; the handshake needs one round trip.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Streams on one connection: many proxies may come through one HTTP/2 gateway, two streams each.
const MAX_STREAMS: u32 = 100_000;

/// What a client may send on a stream before it is read: what HTTP/2 begins with, and more than nearly every request.
const STREAM_WINDOW: u32 = 64 * 1024;

/// The same while a large message comes: what a reconnecting proxy repeats can be megabytes, and the way long.
const LARGE_WINDOW: u32 = 1024 * 1024;

/// Headers of a request. Ours have a few hundred bytes.
const MAX_HEADERS: u32 = 16 * 1024;

/// How long a client has to take the end of its streams when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves one connection until either side ends it.
pub(super) async fn serve(
    tcp: TcpStream,
    peer: SocketAddr,
    services: Arc<Services>,
    mut closing: watch::Receiver<bool>,
) {
    let mut http2 = h2::server::Builder::new();
    http2
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(LARGE_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS);
    let Ok(Ok(mut http2)) = timeout(HANDSHAKE, http2.handshake(tcp)).await else {
        return tracing::debug!(%peer, "this is no HTTP/2 client");
    };
    let keepalive = Keepalive::new(http2.ping_pong());
    let gate = Arc::new(Gate::default());
    let mut connection = Connection {
        http2,
        peer,
        services,
        streams: FuturesUnordered::new(),
        keepalive,
        window: STREAM_WINDOW,
        large: Arc::default(),
    };
    let waker = Waker::from(gate.clone());
    let mut run = poll_fn(|cx| gate.run(&waker, cx, |cx| connection.poll(cx)));
    tokio::select! {
        () = &mut run => return,
        _ = closing.wait_for(|closing| *closing) => {}
    }
    connection.http2.graceful_shutdown();
    let mut run = poll_fn(|cx| gate.run(&waker, cx, |cx| connection.poll(cx)));
    tokio::select! {
        () = &mut run => {}
        () = sleep(LAST_WORDS) => {}
    }
}

struct Connection {
    http2: h2::server::Connection<TcpStream, Chunk>,
    peer: SocketAddr,
    services: Arc<Services>,
    streams: FuturesUnordered<BoxFuture<'static, ()>>,
    keepalive: Keepalive,
    /// What clients may send on a stream now.
    window: u32,
    /// A large message comes on one of the streams.
    large: Arc<AtomicBool>,
}

impl Connection {
    /// Ready: the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.keepalive.poll(cx).is_ready() {
            tracing::debug!(peer = %self.peer, "the client does not answer");
            return Poll::Ready(());
        }
        // Reads all frames that are there, and writes those that are due.
        while let Poll::Ready(accepted) = self.http2.poll_accept(cx) {
            match accepted {
                Some(Ok((request, respond))) => self.accept(request, respond),
                Some(Err(error)) => {
                    tracing::debug!(peer = %self.peer, %error, "connection broken");
                    return Poll::Ready(());
                }
                None => return Poll::Ready(()),
            }
        }
        // Every stream whose turn it is. What they write wakes the connection, which is polled again at once.
        while let Poll::Ready(Some(())) = self.streams.poll_next_unpin(cx) {}
        self.set_window(cx);
        Poll::Pending
    }

    /// Gives a client more room while it sends a large message.
    fn set_window(&mut self, cx: &Context<'_>) {
        let window = match self.large.load(Relaxed) {
            true => LARGE_WINDOW,
            false => STREAM_WINDOW,
        };
        // An error: the last change was not confirmed yet. The next frame brings another try.
        if window != self.window && self.http2.set_initial_window_size(window).is_ok() {
            self.window = window;
            cx.waker().wake_by_ref();
        }
    }

    fn accept(&mut self, request: Request<RecvStream>, respond: SendResponse<Chunk>) {
        let grpc = request.headers().get(header::CONTENT_TYPE);
        let is_grpc = grpc.is_some_and(|grpc| grpc.as_bytes().starts_with(b"application/grpc"));
        if request.method() != Method::POST || !is_grpc {
            return grpc::refuse(respond, Status::internal("this is no gRPC request"));
        }
        match services::Method::of(request.uri().path()) {
            Some(Ok(method)) => {
                let requests = request.into_body();
                let stream =
                    self.services
                        .stream(method, self.peer, requests, respond, &self.large);
                self.streams.extend(stream);
            }
            Some(Err(why)) => grpc::refuse(respond, Status::unimplemented(why)),
            // Others may compute for a while: not in the task that every stream of this connection waits for.
            None => {
                let routes = self.services.elsewhere();
                tokio::spawn(elsewhere::serve(routes, self.peer, request, respond));
            }
        }
    }
}
