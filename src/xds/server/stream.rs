//! One stream: feeds a session, writes its records into the ledger, and waits for nobody but its own client.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tonic::Status;
use tracing::{debug, info, warn};

use super::{
    FleetFeed, inspect::Seated, node::identify, requests::Requests, services::Shared, wire::Said,
};
use crate::{
    fleet::{Ledger, ProxyInfo, Record, StreamId},
    model::{Name, TypeUrl},
    xds::session::{Output, Response, Session},
};

/// Responses that may wait for the client to read: one round of all types. Snapshots that come meanwhile are skipped
/// but for the newest.
pub(super) const RESPONSES_QUEUED: usize = 8;

/// Of an unknown type so many characters are logged: Envoy's longest have about 90.
const MAX_TYPE_SHOWN: usize = 200;

/// Where the responses go; dropped, it ends the stream.
pub(super) type Responses = mpsc::Sender<Result<Response, Status>>;

/// What a stream is given to start with.
pub(super) struct Opened<Q> {
    pub(super) id: StreamId,
    /// The only type that it is for; none: all.
    pub(super) only: Option<TypeUrl>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) requests: Requests<Q>,
    pub(super) responses: Responses,
    /// True once the server is to stop.
    pub(super) closing: watch::Receiver<bool>,
}

/// Serves one stream until the client or the server ends it.
pub(super) async fn run<Q: Said>(opened: Opened<Q>, shared: Arc<Shared>) {
    let responses = opened.responses.clone();
    if let Err(status) = serve(opened, shared).await {
        debug!(code = ?status.code(), message = status.message(), "stream ended");
        // The client may be gone; then nobody needs to know.
        let _ = responses.send(Err(status)).await;
    }
}

async fn serve<Q: Said>(mut opened: Opened<Q>, shared: Arc<Shared>) -> Result<(), Status> {
    let first = tokio::select! {
        first = opened.requests.message() => first?,
        () = closed(&mut opened.closing) => return Ok(()),
        () = opened.responses.closed() => return Ok(()),
    };
    let Some(first) = first else {
        return Ok(());
    };
    let (fleet, proxy) = identify(first.node(), opened.peer, &shared.options.fleet_by)?;
    let feed = shared.directory.join(&fleet)?;
    info!(%fleet, proxy = %proxy.id, address = %proxy.address, software = %proxy.software, "proxy connected");
    let streams = &shared.options.streams;
    let seat = streams.enter(opened.id, fleet.clone(), proxy.clone());
    let session = Session::new(Q::MODE, feed.options, shared.cache(&fleet));
    let mut stream = Stream {
        only: opened.only,
        asked_in_vain: false,
        proxy: Connected::new(opened.id, fleet, proxy, feed.ledger.clone()),
        seat,
        shared: shared.clone(),
        session,
        began: (Timestamp::now(), Instant::now()),
        outbox: VecDeque::new(),
    };
    stream.request(first)?;
    let ended = stream.pump(&mut opened, feed).await;
    let proxy = &stream.proxy;
    info!(fleet = %proxy.fleet, proxy = %proxy.id, "proxy disconnected");
    ended
}

/// Resolves when the server is to stop.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    let _ = closing.wait_for(|closing| *closing).await;
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
    proxy: Connected,
    /// Where others ask what the session knows.
    seat: Seated,
    shared: Arc<Shared>,
    session: Session,
    began: (Timestamp, Instant),
    /// Responses for which the client has no room yet.
    outbox: VecDeque<Response>,
}

impl Stream {
    async fn pump<Q: Said>(
        &mut self,
        opened: &mut Opened<Q>,
        mut feed: FleetFeed,
    ) -> Result<(), Status> {
        self.newest(&mut feed);
        loop {
            let idle = self.outbox.is_empty();
            let deadline = self.until_deadline().filter(|_| idle);
            tokio::select! {
                // Nothing is read or computed for a client that does not take what is there for it.
                room = opened.responses.reserve(), if !idle => match room {
                    Ok(room) => {
                        if let Some(response) = self.outbox.pop_front() {
                            room.send(Ok(response));
                        }
                    }
                    Err(_) => return Ok(()),
                },
                request = opened.requests.message(), if idle => match request? {
                    Some(request) => self.request(request)?,
                    None => return Ok(()),
                },
                changed = feed.snapshots.changed(), if idle => match changed {
                    Ok(()) => self.newest(&mut feed),
                    Err(_) => return Err(Status::unavailable("the control plane no longer serves this fleet")),
                },
                // Whoever asks for the status does not wait for a client that reads nothing.
                () = self.seat.asked() => self.seat.answer(|| self.session.client_status()),
                () = sleep(deadline), if deadline.is_some() => {
                    let now = self.now();
                    let output = self.session.tick(now);
                    self.take(output);
                }
                () = opened.responses.closed(), if idle => return Ok(()),
                () = closed(&mut opened.closing) => return Ok(()),
            }
        }
    }

    fn newest(&mut self, feed: &mut FleetFeed) {
        let newest = feed.snapshots.borrow_and_update().clone();
        if let Some(snapshot) = newest {
            let now = self.now();
            let output = self.session.snapshot(snapshot, now);
            self.take(output);
        }
    }

    fn request(&mut self, request: impl Said) -> Result<(), Status> {
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
        self.take(output);
        Ok(())
    }

    fn take(&mut self, output: Output) {
        let at = Timestamp::now();
        for record in output.records {
            self.log(&record);
            self.proxy.ledger.record(self.proxy.stream, record, at);
        }
        for response in output.responses {
            let bytes = response.encoded_len();
            let message = &response.message;
            debug!(fleet = %self.proxy.fleet, proxy = %self.proxy.id, r#type = %message.type_url,
                version = &*message.version, resources = message.resources.len(), removed = ?message.removed, bytes,
                "response");
            if self.shared.options.meters.response(message.type_url, bytes) {
                warn!(fleet = %self.proxy.fleet, proxy = %self.proxy.id, r#type = %message.type_url, bytes,
                    "a response is larger than 4 MiB, which clients in Go refuse unless told otherwise");
            }
            self.outbox.push_back(response);
        }
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
                if told.is_news(fleet, *type_url, *revision, message) {
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
            Record::Subscribed(_) | Record::Unsubscribed(_) | Record::Sent(..) => {}
        }
    }

    /// The session's time: does not jump when the system's clock is set.
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.began.1.elapsed()).unwrap_or_default();
        self.began.0.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// How long until the session wants to be woken.
    fn until_deadline(&self) -> Option<std::time::Duration> {
        let deadline = self.session.next_deadline()?;
        let wait = deadline.duration_since(self.now());
        Some(wait.try_into().unwrap_or_default())
    }
}

/// Waits that long, rounded up to the timer's millisecond.
async fn sleep(wait: Option<std::time::Duration>) {
    if let Some(wait) = wait {
        tokio::time::sleep(wait + std::time::Duration::from_millis(1)).await;
    }
}
