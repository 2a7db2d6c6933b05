//! Where operators, and those who ask for health and metrics, come in: so many at a time, and nobody who is silent stays.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep, sleep_until},
};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::xds::server::Seldom;

/// Who has not said a word for so long, as who only looks whether the port is open, or whose machine went away, is not waited for.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// On a connection on which nothing moves for so long nobody is waited for: its client is gone, has said half of what it wants, or
/// does not read. Not a round minute, at which somebody who asks for metrics once a minute would come just as it is closed.
const SILENCE: Duration = Duration::from_secs(75);

/// After an error of accept itself: the usual one is that too many files are open, and it lasts until somebody leaves.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Accepts connections. Those for whom there is no place wait outside, in the order in which they come.
pub struct Door {
    listener: TcpListener,
    what: &'static str,
    places: Arc<Semaphore>,
    complaints: Seldom,
}

impl Door {
    /// To the port of this name, for so many at a time.
    pub fn new(listener: TcpListener, what: &'static str, places: usize) -> Self {
        Self {
            listener,
            what,
            places: Arc::new(Semaphore::new(places)),
            complaints: Seldom::default(),
        }
    }

    /// A place; none only once nobody could give one back, which does not happen.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        if self.places.available_permits() == 0 && self.complaints.is_due() {
            tracing::warn!(
                "the {} port has as many connections as it may: more wait until one is gone",
                self.what
            );
        }
        self.places.clone().acquire_owned().await.ok()
    }
}

impl Listener for Door {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        let place = self.place().await;
        loop {
            match self.listener.accept().await {
                Ok((tcp, peer)) => return (Guest::new(tcp, place), peer),
                Err(error) => {
                    if self.complaints.is_due() {
                        tracing::warn!(%error, "a connection to the {} port could not be accepted", self.what);
                    }
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection, for as long as something moves on it.
pub struct Guest {
    tcp: TcpStream,
    silence: Pin<Box<Sleep>>,
    /// When something moved last, or when it came.
    moved: Instant,
    spoken: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Guest {
    fn new(tcp: TcpStream, place: Option<OwnedSemaphorePermit>) -> Self {
        // An answer is one small message that somebody waits for. It fails if the connection is gone already.
        let _ = tcp.set_nodelay(true);
        let moved = Instant::now();
        Self {
            tcp,
            silence: Box::pin(sleep_until(moved + FIRST_WORD)),
            moved,
            spoken: false,
            _place: place,
        }
    }

    /// What came of reading or writing, unless there is nothing, and there was nothing for long.
    fn heed<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            // That we greet a client is no sign of it.
            if self.spoken {
                self.moved = Instant::now();
            }
            return polled;
        }
        loop {
            ready!(self.silence.as_mut().poll(cx));
            let patience = if self.spoken { SILENCE } else { FIRST_WORD };
            let until = self.moved + patience;
            if until <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.silence.as_mut().reset(until);
        }
    }
}

impl Connected for Guest {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.tcp.connect_info()
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, into);
        self.spoken |= into.filled().len() > before;
        self.heed(cx, polled)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write(cx, from);
        self.heed(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write_vectored(cx, from);
        self.heed(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
