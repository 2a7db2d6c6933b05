//! One stream: feeds a session, writes its records into the ledger, and waits for nobody but its own client.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};
use tokio_stream::wrappers::WatchStream;
use tonic::Status;
use tracing::{debug, info, warn};

use super::{
    http2::{Chunk, Gone, Replies, Requests},
    inspect::Seated,
    node::identify,
    shared::Shared,
    wire::Said,
};
use crate::{
    fleet::{Ledger, ProxyInfo, Record, StreamId},
    model::{Name, TypeUrl},
    snapshot::Snapshot,
    xds::session::{Output, Session},
};

/// The field number of `nonce`, the same in both modes.
const NONCE: u32 = 5;

/// Of an unknown type so many characters are logged: Envoy's longest have about 90.
const MAX_TYPE_SHOWN: usize = 200;

/// What a stream is given to start with.
pub(super) struct Opened {
    pub(super) id: StreamId,
    /// The only type that it is for; none: all.
    pub(super) only: Option<TypeUrl>,
    pub(super) peer: SocketAddr,
    pub(super) requests: Requests,
    pub(super) replies: Replies,
    /// True once the server is to stop; its connection then polls every stream.
    pub(super) closing: watch::Receiver<bool>,
}

impl Opened {
    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        match self.is_closing() {
            true => Poll::Ready(Ok(None)),
            false => self.requests.poll_next(cx),
        }
    }
}

/// Serves one stream until the client or the server ends it.
pub(super) async fn run<Q: Said>(mut opened: Opened, shared: Arc<Shared>) {
    let ended = serve::<Q>(&mut opened, shared).await;
    if let Err(status) = &ended {
        debug!(code = ?status.code(), message = status.message(), "stream ended");
    }
    let status = ended.err().unwrap_or_else(|| Status::ok(""));
    opened.replies.end(&status);
}

async fn serve<Q: Said>(opened: &mut Opened, shared: Arc<Shared>) -> Result<(), Status> {
    let Some(first) = poll_fn(|cx| opened.poll_request(cx)).await? else {
        return Ok(());
    };
    let peer = opened.peer;
    let begun = Stream::begin::<Q>(opened, shared.clone(), first);
    let mut stream = begun.inspect_err(|refused| shared.refused(peer, refused))?;
    let ended = poll_fn(|cx| stream.poll::<Q>(opened, cx)).await;
    let proxy = &stream.proxy;
    info!(fleet = %proxy.fleet, proxy = %proxy.id, "proxy disconnected");
    ended
}

/// A proxy on the ledger; it is taken off when this is dropped, whatever ends the stream.
struct Connected {
    stream: StreamId,
    fleet: Name,
    id: Arc<str>,
    ledger: Arc<Ledger>,
}

impl Connected {
    fn new(stream: StreamId, fleet: Name, proxy: ProxyInfo, ledger: Arc<Ledger>) -> Self {
        let id = proxy.id.clone();
        ledger.connect(stream, proxy, Timestamp::now());
        Self {
            stream,
            fleet,
            id,
            ledger,
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.ledger.disconnect(self.stream, Timestamp::now());
    }
}

struct Stream {
    only: Option<TypeUrl>,
    /// A type that is not served was asked for, and that was logged.
    asked_in_vain: bool,
    /// The client has closed its half of the stream.
    has_said_all: bool,
    proxy: Connected,
    /// Where others ask what the session knows.
    seat: Seated,
    shared: Arc<Shared>,
    session: Session,
    began: (Timestamp, Instant),
    snapshots: WatchStream<Option<Arc<Snapshot>>>,
    /// When the session wants to be woken; most streams never need one.
    timer: Option<(Timestamp, Pin<Box<Sleep>>)>,
    /// A fleet that is not declared is given up when nobody is in it.
    _lease: Option<Arc<dyn Send + Sync>>,
}

impl Stream {
    /// Reads from the first request who it is, and answers it.
    fn begin<Q: Said>(
        opened: &mut Opened,
        shared: Arc<Shared>,
        first: Bytes,
    ) -> Result<Self, Status> {
        let first = Q::read(first)?;
        let (fleet, proxy) = identify(first.node(), Some(opened.peer), &shared.options.fleet_by)?;
        let feed = shared.directory.join(&fleet)?;
        info!(%fleet, proxy = %proxy.id, address = %proxy.address, software = %proxy.software, "proxy connected");
        let streams = &shared.options.streams;
        let session = Session::new(Q::MODE, feed.options, shared.cache(&fleet));
        let mut stream = Self {
            only: opened.only,
            asked_in_vain: false,
            has_said_all: false,
            seat: streams.enter(opened.id, fleet.clone(), proxy.clone()),
            session: match opened.only {
                Some(_) => session.of_one_type(),
                None => session,
            },
            proxy: Connected::new(opened.id, fleet, proxy, feed.ledger),
            began: (Timestamp::now(), Instant::now()),
            snapshots: WatchStream::new(feed.snapshots),
            timer: None,
            _lease: feed.lease,
            shared,
        };
        stream.request(first, &mut opened.replies)?;
        Ok(stream)
    }

    /// Does all that there is to do. Ready: the stream has ended.
    fn poll<Q: Said>(
        &mut self,
        opened: &mut Opened,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Status>> {
        if opened.is_closing() {
            return Poll::Ready(Ok(()));
        }
        // Whoever asks for the status does not wait for a client that reads nothing.
        self.seat.answer(cx, || self.session.client_status());
        let replies = &mut opened.replies;
        loop {
            // Nothing is read or computed for a client that does not take what is there for it.
            match ready!(replies.poll_flush(cx)) {
                Ok(()) => {}
                Err(Gone) => return Poll::Ready(Ok(())),
            }
            if !self.has_said_all
                && let Poll::Ready(request) = opened.requests.poll_next(cx)?
            {
                match request {
                    Some(request) => self.request(Q::read(request)?, replies)?,
                    None => self.has_said_all = true,
                }
                continue;
            }
            if let Poll::Ready(newest) = self.snapshots.poll_next_unpin(cx) {
                match newest {
                    Some(Some(snapshot)) => {
                        let output = self.session.snapshot(snapshot, self.now());
                        self.take(output, replies)?;
                    }
                    // Nothing is declared yet.
                    Some(None) => {}
                    None => return Poll::Ready(Err(unserved())),
                }
                continue;
            }
            // What it asked before has been answered, as far as there is an answer.
            if self.has_said_all {
                return Poll::Ready(Ok(()));
            }
            self.set_timer();
            match &mut self.timer {
                Some((_, timer)) => ready!(timer.as_mut().poll(cx)),
                None => return Poll::Pending,
            }
            self.timer = None;
            let output = self.session.tick(self.now());
            self.take(output, replies)?;
        }
    }

    fn request(&mut self, request: impl Said, replies: &mut Replies) -> Result<(), Status> {
        // A stream for one type need not say which.
        let said = request.type_url();
        let type_url = match (TypeUrl::from_url(said), self.only) {
            (Some(type_url), None) => Some(type_url),
            (None, Some(only)) if said.is_empty() => Some(only),
            (Some(type_url), Some(only)) if type_url == only => Some(only),
            (_, Some(only)) => {
                return Err(Status::invalid_argument(format!(
                    "this service is for {} alone, and {said:?} was asked for: use its own service, or ADS",
                    only.url()
                )));
            }
            (None, None) => None,
        };
        let Some(type_url) = type_url else {
            // Once: it may ask again and again.
            if !std::mem::replace(&mut self.asked_in_vain, true) {
                let r#type: String = said.chars().take(MAX_TYPE_SHOWN).collect();
                warn!(fleet = %self.proxy.fleet, proxy = %self.proxy.id, r#type,
                    "the proxy asks for a type that is not served: it gets no answer");
            }
            return Ok(());
        };
        let now = self.now();
        let output = request.say(&mut self.session, type_url, now);
        self.take(output, replies)
    }

    fn take(&mut self, output: Output, replies: &mut Replies) -> Result<(), Status> {
        if !output.records.is_empty() {
            output.records.iter().for_each(|record| self.log(record));
            let Connected {
                ledger, id, stream, ..
            } = &self.proxy;
            ledger.book(id, *stream, output.records, Timestamp::now());
        }
        for response in output.responses {
            let bytes = response.encoded_len();
            let message = &response.message;
            debug!(fleet = %self.proxy.fleet, proxy = %self.proxy.id, r#type = %message.type_url,
                version = &*message.version, resources = message.resources.len(), removed = message.removed.len(), bytes,
                "response");
            if self.shared.options.meters.response(message.type_url, bytes) {
                warn!(fleet = %self.proxy.fleet, proxy = %self.proxy.id, r#type = %message.type_url, bytes,
                    "a response is larger than 4 MiB, which clients in Go refuse unless told otherwise");
            }
            replies.push(Chunk::with_nonce(message.encoded(), NONCE, &response.nonce));
        }
        if output.overdue {
            warn!(fleet = %self.proxy.fleet, proxy = %self.proxy.id,
                "the proxy reads and answers nothing for minutes: its stream is ended, so that it says anew what it has");
            return Err(Status::deadline_exceeded(
                "too many responses are unanswered: come again, and say what you have",
            ));
        }
        Ok(())
    }

    fn log(&self, record: &Record) {
        let (fleet, proxy) = (&self.proxy.fleet, &self.proxy.id);
        match record {
            Record::Accepted(type_url, revision) => {
                debug!(%fleet, %proxy, r#type = %type_url, %revision, "accepted");
            }
            Record::Weighted(revision) => {
                debug!(%fleet, %proxy, %revision, "has the weights; the rest waits for clusters");
            }
            Record::Rejected {
                type_url,
                revision,
                resources,
                message,
            } => {
                let told = &self.shared.told;
                if told.is_news((fleet.as_str(), type_url, revision.0, message)) {
                    warn!(%fleet, %proxy, r#type = %type_url, %revision, ?resources, message,
                        "rejected; others that say the same are in `bluegreen fleet`");
                } else {
                    debug!(%fleet, %proxy, r#type = %type_url, %revision, ?resources, message, "rejected");
                }
            }
            Record::Held(type_url, clusters) if !clusters.is_empty() => {
                warn!(%fleet, %proxy, r#type = %type_url, ?clusters, "held until the proxy has these clusters");
            }
            Record::Held(type_url, _) => {
                info!(%fleet, %proxy, r#type = %type_url, "no longer held")
            }
            Record::Newer(type_url, revision) => {
                warn!(%fleet, %proxy, r#type = %type_url, %revision,
                    "the proxy has a newer revision than the store: nothing is sent to it");
            }
            Record::Subscribed(_)
            | Record::Named(..)
            | Record::Apart(_)
            | Record::Unsubscribed(_)
            | Record::Sent(..) => {}
        }
    }

    /// The session's time: does not jump when the system's clock is set.
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.began.1.elapsed()).unwrap_or_default();
        self.began.0.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// Sets the timer to when the session wants to be woken.
    fn set_timer(&mut self) {
        let due = self.session.next_deadline();
        if self.timer.as_ref().map(|(at, _)| *at) != due {
            self.timer = due.map(|due| {
                let wait = due.duration_since(self.now());
                let wait = Duration::try_from(wait).unwrap_or_default();
                // Rounded up to the timer's millisecond.
                (due, Box::pin(sleep(wait + Duration::from_millis(1))))
            });
        }
    }
}

fn unserved() -> Status {
    Status::unavailable("the control plane no longer serves this fleet")
}
