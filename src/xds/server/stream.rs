//! One ADS stream: feeds a session, writes its records into the ledger, and waits for nobody but its own client.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::{
    Directory, FleetFeed,
    node::{FleetBy, identify},
    wire::{self, DiscoveryRequest},
};
use crate::{
    fleet::{Ledger, ProxyInfo, Record, StreamId},
    model::{Name, TypeUrl},
    xds::session::{Output, Request, Response, Session},
};

/// Responses that may wait for the client to read: one round of all types. Snapshots that come meanwhile are skipped
/// but for the newest.
pub(super) const RESPONSES_QUEUED: usize = 8;

/// grpc-go refuses larger messages unless it was told otherwise.
const LARGE_RESPONSE: usize = 4 * 1024 * 1024;

/// Where the responses go; dropped, it ends the stream.
pub(super) type Responses = mpsc::Sender<Result<Response, Status>>;

/// What a stream is given to start with.
pub(super) struct Opened {
    pub(super) id: StreamId,
    pub(super) peer: Option<SocketAddr>,
    pub(super) fleet_by: FleetBy,
    pub(super) requests: Streaming<DiscoveryRequest>,
    pub(super) responses: Responses,
    /// True once the server is to stop.
    pub(super) closing: watch::Receiver<bool>,
}

/// Serves one stream until the client or the server ends it.
pub(super) async fn run(opened: Opened, directory: Arc<dyn Directory>) {
    let responses = opened.responses.clone();
    if let Err(status) = serve(opened, directory).await {
        debug!(code = ?status.code(), message = status.message(), "ADS stream ended");
        // The client may be gone; then nobody needs to know.
        let _ = responses.send(Err(status)).await;
    }
}

async fn serve(mut opened: Opened, directory: Arc<dyn Directory>) -> Result<(), Status> {
    let first = tokio::select! {
        first = opened.requests.message() => first?,
        () = closed(&mut opened.closing) => return Ok(()),
        () = opened.responses.closed() => return Ok(()),
    };
    let Some(first) = first else {
        return Ok(());
    };
    let (fleet, proxy) = identify(first.node.as_ref(), opened.peer, &opened.fleet_by)?;
    let feed = directory
        .join(&fleet)
        .map_err(|unknown| Status::not_found(unknown.to_string()))?;
    info!(%fleet, proxy = %proxy.id, address = %proxy.address, software = %proxy.software, "proxy connected");
    let mut stream = Stream {
        proxy: Connected::new(opened.id, fleet, proxy, feed.ledger.clone()),
        session: Session::new(feed.options),
        began: (Timestamp::now(), Instant::now()),
        outbox: VecDeque::new(),
    };
    stream.request(first);
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
    proxy: Connected,
    session: Session,
    began: (Timestamp, Instant),
    /// Responses for which the client has no room yet.
    outbox: VecDeque<Response>,
}

impl Stream {
    async fn pump(&mut self, opened: &mut Opened, mut feed: FleetFeed) -> Result<(), Status> {
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
                    Some(request) => self.request(request),
                    None => return Ok(()),
                },
                changed = feed.snapshots.changed(), if idle => match changed {
                    Ok(()) => self.newest(&mut feed),
                    Err(_) => return Err(Status::unavailable("the control plane no longer serves this fleet")),
                },
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

    fn request(&mut self, request: DiscoveryRequest) {
        let Some(type_url) = TypeUrl::from_url(&request.type_url) else {
            warn!(fleet = %self.proxy.fleet, proxy = %self.proxy.id, r#type = request.type_url,
                "the proxy asks for a type that is not served: it gets no answer");
            return;
        };
        let request = Request {
            version: request.version_info,
            nonce: request.response_nonce,
            names: request.resource_names,
            error: request.error_detail.map(|error| error.message),
        };
        let now = self.now();
        let output = self.session.request(type_url, request, now);
        self.take(output);
    }

    fn take(&mut self, output: Output) {
        let at = Timestamp::now();
        for record in output.records {
            self.log(&record);
            self.proxy.ledger.record(self.proxy.stream, record, at);
        }
        for response in output.responses {
            let bytes = wire::encoded_len(&response);
            debug!(fleet = %self.proxy.fleet, proxy = %self.proxy.id, r#type = %response.type_url,
                version = response.version, resources = response.resources.len(), bytes, "response");
            if bytes > LARGE_RESPONSE {
                warn!(fleet = %self.proxy.fleet, proxy = %self.proxy.id, r#type = %response.type_url, bytes,
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
                warn!(%fleet, %proxy, r#type = %type_url, %revision, ?resources, message, "rejected");
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
