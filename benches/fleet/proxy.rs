//! One simulated proxy: a TCP connection, HTTP/2 on it, one ADS stream; all in one task.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{Connection, ResponseFuture},
};
use http::{Request, header};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, watch},
    time::sleep,
};

use crate::{
    board::Board,
    envoy::{Envoy, Event},
    resources::Unreadable,
    wire::{Messages, Mode},
};

/// How often a proxy tries to connect.
const ATTEMPTS: usize = 10;

/// The shortest pause between two attempts.
const AGAIN: Duration = Duration::from_millis(50);

/// What the run tells its proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Behave.
    Serve,
    /// The slow ones stop reading, for good.
    Stall,
    /// Everybody drops its connection and makes another: the n-th time.
    Reconnect(usize),
}

/// How a slow reader is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Stall {
    /// It takes no more messages: HTTP/2's windows fill up, pings are answered.
    Messages,
    /// It does not read its socket any more, as a frozen process: TCP's window fills up.
    Socket,
}

/// What all proxies of a run share.
pub struct Shared {
    pub server: SocketAddr,
    pub mode: Mode,
    /// Receive window of the stream, bytes.
    pub window: u32,
    pub stall: Stall,
    /// Connections that may be in the making at the same time.
    pub connecting: Semaphore,
    pub board: Board,
}

/// One proxy.
pub struct Proxy {
    pub number: usize,
    pub slow: bool,
    pub envoy: Envoy,
    pub shared: Arc<Shared>,
    pub orders: watch::Receiver<Order>,
    /// The server has answered on the connection that ended last.
    pub heard: bool,
}

/// Why a proxy could not go on.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it could not connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("HTTP/2 failed: {0}")]
    Http2(#[from] h2::Error),
    #[error("the server answered HTTP {0}")]
    Http(http::StatusCode),
    #[error("the server ended the stream: gRPC status {status} {message}")]
    Ended { status: String, message: String },
    #[error("the server closed the connection")]
    Closed,
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Broken {
    /// It may be because of the many that connect at the same time.
    fn in_the_crowd(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Http2(_) | Self::Closed)
    }
}

impl Proxy {
    /// Lives until the run is over. Where a connection is lost in the crowd (a queue of the kernel that is full) before the
    /// server said anything, it tries again, as Envoy does.
    pub async fn run(mut self) {
        let mut attempts = 1;
        loop {
            match self.connection().await {
                Ok(()) => attempts = 1,
                Err(lost) if lost.in_the_crowd() && !self.heard && attempts < ATTEMPTS => {
                    attempts += 1;
                    self.shared.board.retried.fetch_add(1, Relaxed);
                    // Not all at the same time again.
                    sleep(AGAIN * (1 + self.number as u32 % 8)).await;
                }
                Err(why) => return self.shared.board.fail(self.number, &why.to_string()),
            }
        }
    }

    /// One connection, until the order to make another.
    async fn connection(&mut self) -> Result<(), Broken> {
        self.heard = false;
        let mut stream = Stream::open(&self.shared, &mut self.envoy).await?;
        self.shared.board.count(&self.shared.board.open);
        let ended = self.serve(&mut stream).await;
        self.heard = stream.heard;
        if ended.is_err() && !self.heard {
            self.shared.board.open.fetch_sub(1, SeqCst);
        }
        ended
    }

    /// Answers the server, and does what the run orders.
    async fn serve(&mut self, stream: &mut Stream) -> Result<(), Broken> {
        loop {
            tokio::select! {
                biased;
                // An error means that the run is over.
                changed = self.orders.changed() => match changed.map(|()| *self.orders.borrow_and_update()) {
                    Ok(Order::Reconnect(_)) if !self.slow => return Ok(()),
                    Ok(Order::Stall) if self.slow => stream.stall(self.shared.stall).await?,
                    Ok(_) => {}
                    Err(_) => std::future::pending().await,
                },
                ended = std::future::poll_fn(|cx| stream.poll(self.number, &mut self.envoy, &self.shared.board, cx)) => {
                    return Err(ended);
                }
            }
        }
    }
}

/// The ADS stream and the connection that it is alone on.
struct Stream {
    connection: Connection<TcpStream, Bytes>,
    requests: SendStream<Bytes>,
    responses: Responses,
    messages: Messages,
    out: BytesMut,
    /// The server has answered.
    heard: bool,
}

enum Responses {
    /// The headers have not come.
    Waited(ResponseFuture),
    Open(RecvStream),
}

impl Stream {
    async fn open(shared: &Shared, envoy: &mut Envoy) -> Result<Self, Broken> {
        // The semaphore is never closed.
        let turn = shared.connecting.acquire().await.ok();
        let tcp = TcpStream::connect(shared.server).await?;
        tcp.set_nodelay(true)?;
        let (mut client, mut connection) = h2::client::Builder::new()
            .initial_window_size(shared.window)
            .initial_connection_window_size(shared.window)
            .max_send_buffer_size(1 << 20)
            .handshake(tcp)
            .await?;
        drop(turn);
        let request = Request::post(format!("http://{}{}", shared.server, shared.mode.path()))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(())
            .map_err(|_| Broken::Closed)?;
        client = tokio::select! {
            ready = client.ready() => ready?,
            ended = &mut connection => return Err(ended.err().map_or(Broken::Closed, Broken::from)),
        };
        let (response, mut requests) = client.send_request(request, false)?;
        let mut out = BytesMut::new();
        envoy.begin(&mut out);
        requests.send_data(out.split().freeze(), false)?;
        Ok(Self {
            connection,
            requests,
            responses: Responses::Waited(response),
            messages: Messages::default(),
            out,
            heard: false,
        })
    }

    /// Reads and answers all that is there. Ready: the stream has ended.
    fn poll(
        &mut self,
        number: usize,
        envoy: &mut Envoy,
        board: &Board,
        cx: &mut Context<'_>,
    ) -> Poll<Broken> {
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
                return Poll::Ready(ended.err().map_or(Broken::Closed, Broken::from));
            }
            let mut happened = Event::Other;
            let received = loop {
                match self.poll_data(cx) {
                    Poll::Pending => break board.now(),
                    Poll::Ready(Err(why)) => return Poll::Ready(why),
                    Poll::Ready(Ok(data)) => {
                        board.bytes.fetch_add(data.len() as u64, Relaxed);
                        let mut read = Ok(());
                        self.messages.take(data, |message| {
                            board.responses.fetch_add(1, Relaxed);
                            match envoy.response(message, &board.resources, &mut self.out) {
                                Ok(Event::Other) => {}
                                Ok(event) => happened = event,
                                Err(why) => read = Err(why),
                            }
                        });
                        if let Err(why) = read {
                            return Poll::Ready(why.into());
                        }
                    }
                }
            };
            if self.out.is_empty() {
                return Poll::Pending;
            }
            if happened != Event::Other {
                board.has(number, envoy.weights(), || envoy.weights_text());
            }
            let answers = std::mem::take(&mut self.out).freeze();
            if let Err(why) = self.requests.send_data(answers, false) {
                return Poll::Ready(why.into());
            }
            // Writes the answers to the socket: now they are out.
            if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
                return Poll::Ready(ended.err().map_or(Broken::Closed, Broken::from));
            }
            match happened {
                Event::Warm => board.count(&board.warm),
                Event::Switched => board.switched(number, received),
                Event::Other => {}
            }
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Broken>> {
        if let Responses::Waited(response) = &mut self.responses {
            let response = ready!(Pin::new(response).poll(cx))?;
            self.heard = true;
            let text = |name: &str| {
                let value = response.headers().get(name);
                value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            if !response.status().is_success() {
                return Poll::Ready(Err(Broken::Http(response.status())));
            }
            if let Some(status) = text("grpc-status") {
                let message = text("grpc-message").unwrap_or_default();
                return Poll::Ready(Err(Broken::Ended { status, message }));
            }
            self.responses = Responses::Open(response.into_body());
        }
        let Responses::Open(body) = &mut self.responses else {
            return Poll::Pending;
        };
        match ready!(body.poll_data(cx)) {
            Some(data) => {
                let data = data?;
                body.flow_control().release_capacity(data.len())?;
                Poll::Ready(Ok(data))
            }
            None => {
                let trailers = ready!(body.poll_trailers(cx))?.unwrap_or_default();
                let text = |name: &str| {
                    let value = trailers.get(name).map(|value| value.as_bytes());
                    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
                };
                Poll::Ready(Err(Broken::Ended {
                    status: text("grpc-status"),
                    message: text("grpc-message"),
                }))
            }
        }
    }

    /// Never reads a message again. Returns only if the connection breaks.
    async fn stall(&mut self, how: Stall) -> Result<(), Broken> {
        match how {
            Stall::Messages => {
                (&mut self.connection).await?;
                Err(Broken::Closed)
            }
            Stall::Socket => std::future::pending().await,
        }
    }
}
