//! One HTTP/2 connection, in one task: it reads and writes frames, and runs the streams on it.

use std::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
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

use super::{
    chunk::Chunk,
    ear::{Ear, Heard},
    gate::{Gate, Parts},
    keepalive::Keepalive,
};

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
    // In boxes, which are as large as what is in them: this is there once for every proxy, for as long as it is connected.
    let begun = tokio::select! {
        begun = Box::pin(begin(tcp, peer, accept)) => begun,
        // Nothing was begun: nothing has to end.
        _ = closing.wait_for(|closing| *closing) => return,
    };
    let Some(mut connection) = begun else {
        return tracing::debug!(%peer, "this is no HTTP/2 client");
    };
    let gate = Gate::new();
    tokio::select! {
        () = poll_fn(|cx| gate.run(cx, &mut *connection)) => return,
        _ = closing.wait_for(|closing| *closing) => {}
    }
    connection.close();
    gate.wake_all();
    tokio::select! {
        () = poll_fn(|cx| gate.run(cx, &mut *connection)) => {}
        () = sleep(LAST_WORDS) => {}
    }
}

/// Waits for the client's preface. None: it did not come.
async fn begin<A>(tcp: TcpStream, peer: SocketAddr, accept: A) -> Option<Box<Connection<A>>> {
    let mut http2 = h2::server::Builder::new();
    http2
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS);
    let heard = Heard::default();
    let tcp = Ear::new(tcp, heard.clone());
    let mut http2 = timeout(HANDSHAKE, http2.handshake(tcp)).await.ok()?.ok()?;
    Some(Box::new(Connection {
        keepalive: Keepalive::new(http2.ping_pong(), heard),
        http2,
        peer,
        accept,
        streams: FuturesUnordered::new(),
    }))
}

struct Connection<A> {
    http2: h2::server::Connection<Ear<TcpStream>, Chunk>,
    peer: SocketAddr,
    accept: A,
    streams: FuturesUnordered<Running>,
    keepalive: Keepalive,
}

impl<A: Fn(Accepted) -> Option<Running>> Parts for Connection<A> {
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(accepted) = self.http2.poll_accept(cx) {
            match accepted {
                Some(Ok((request, respond))) => {
                    self.streams.extend((self.accept)(Accepted {
                        peer: self.peer,
                        request,
                        respond,
                    }));
                }
                Some(Err(error)) => {
                    tracing::debug!(peer = %self.peer, %error, "connection broken");
                    return Poll::Ready(());
                }
                None => return Poll::Ready(()),
            }
        }
        if self.keepalive.poll(cx).is_ready() {
            tracing::debug!(peer = %self.peer, "the client does not answer");
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn poll_streams(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(())) = self.streams.poll_next_unpin(cx) {}
    }
}

impl<A> Connection<A> {
    /// No more streams; those that are there see that the server is to stop.
    fn close(&mut self) {
        self.http2.graceful_shutdown();
        // All that come into such a set have their turn.
        self.streams = std::mem::take(&mut self.streams).into_iter().collect();
    }
}
