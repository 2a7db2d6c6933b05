//! One HTTP/2 connection, in one task: it reads and writes frames, and runs the streams on it.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use h2::{RecvStream, server::SendResponse};
use http::Request;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use super::{chunk::Chunk, gate::Gate, keepalive::Keepalive};

/// A client that says nothing is dropped after this long; the handshake needs one round trip.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Streams on one connection: many proxies may come through one HTTP/2 gateway, two streams each.
const MAX_STREAMS: u32 = 100_000;

/// What a client may send on a stream before it is read. More than nearly every request, and so much that the megabytes
/// which a reconnecting proxy repeats do not wait for the way there and back too often.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same on all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Headers of a request. Ours have a few hundred bytes.
const MAX_HEADERS: u32 = 16 * 1024;

/// How long a client has to take the end of its streams when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One request that a client opened a stream with.
pub(in super::super) struct Accepted {
    pub(in super::super) peer: SocketAddr,
    pub(in super::super) request: Request<RecvStream>,
    pub(in super::super) respond: SendResponse<Chunk>,
}

/// What runs a stream to its end, in its connection's task.
type Running = BoxFuture<'static, ()>;

/// Serves one connection until either side ends it. `accept` begins each stream; none: it is over, or runs elsewhere.
pub(in super::super) async fn serve(
    tcp: TcpStream,
    peer: SocketAddr,
    accept: impl Fn(Accepted) -> Option<Running>,
    mut closing: watch::Receiver<bool>,
) {
    let mut http2 = h2::server::Builder::new();
    http2
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
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
        accept,
        streams: FuturesUnordered::new(),
        keepalive,
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

struct Connection<A> {
    http2: h2::server::Connection<TcpStream, Chunk>,
    peer: SocketAddr,
    accept: A,
    streams: FuturesUnordered<Running>,
    keepalive: Keepalive,
}

impl<A: Fn(Accepted) -> Option<Running>> Connection<A> {
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
        Poll::Pending
    }

    fn accept(&mut self, request: Request<RecvStream>, respond: SendResponse<Chunk>) {
        let stream = (self.accept)(Accepted {
            peer: self.peer,
            request,
            respond,
        });
        self.streams.extend(stream);
    }
}
