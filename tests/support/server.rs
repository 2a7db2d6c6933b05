//! A control plane in this process, on a store in memory that outlives it, with a client of its admin API; and
//! proxies that only exist in the ledger.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bluegreen::{
    admin, api,
    api::{admin_client::AdminClient, command_event::Event},
    controller::{
        Clock, Controllers, Handle, Options, ReleaseOptions, Resolve, ResolveError, Resolved,
    },
    fleet::{ProxyInfo, Record, StreamId},
    model::{Name, Revision, TypeUrl},
    snapshot::Snapshot,
    store::{MemoryStore, Store},
};
use jiff::Timestamp;
use prost::Message;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tonic::{Status, Streaming, transport::Channel};

/// A client of the admin API.
pub type Client = AdminClient<Channel>;

/// A running control plane.
pub struct Server {
    pub store: Arc<dyn Store>,
    pub names: TestNames,
    pub controllers: Arc<Controllers>,
    pub admin: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// How a test server differs from a real one.
#[derive(Clone, Default)]
pub struct Settings {
    pub token: Option<String>,
    pub settle: Duration,
    pub lag_patience: Duration,
    pub names: TestNames,
    pub release: ReleaseOptions,
    /// None: the system's.
    pub clock: Option<Clock>,
}

impl Server {
    /// A server on an empty store.
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    /// A server on an empty store.
    pub async fn with(settings: Settings) -> Self {
        Self::on(Arc::new(MemoryStore::new()), settings).await
    }

    /// A server on a store that another one may have used before.
    pub async fn on(store: Arc<dyn Store>, settings: Settings) -> Self {
        let defaults = Options::new(Box::new(settings.names.clone()));
        let options = Options {
            clock: settings.clock.unwrap_or_else(|| defaults.clock.clone()),
            settle: settings.settle,
            lag_patience: settings.lag_patience,
            release: settings.release,
            ..defaults
        };
        let controllers = Controllers::start(store.clone(), options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = listener.local_addr().unwrap();
        let info = api::GetServerInfoResponse {
            version: "test".to_owned(),
            admin_address: admin.to_string(),
            ..Default::default()
        };
        let service = admin::service(controllers.clone(), settings.token, info);
        let (stop, mut stopping) = watch::channel(false);
        let serving = tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming_shutdown(
                    tokio_stream::wrappers::TcpListenerStream::new(listener),
                    async move {
                        let _ = stopping.wait_for(|stop| *stop).await;
                    },
                )
                .await
                .unwrap();
        });
        Self {
            store,
            names: settings.names,
            controllers,
            admin,
            stop,
            serving,
        }
    }

    /// A client without a token.
    pub async fn client(&self) -> Client {
        AdminClient::connect(format!("http://{}", self.admin))
            .await
            .unwrap()
            .max_decoding_message_size(64 << 20)
    }

    /// Ends the server cleanly and gives its store back.
    pub async fn stop(self) -> Arc<dyn Store> {
        self.stop.send_replace(true);
        self.controllers.stop().await;
        self.serving.abort();
        self.store
    }

    pub fn fleet(&self, name: &str) -> Handle {
        self.controllers.fleet(&Name::parse(name).unwrap())
    }
}

/// All events of a command, up to its end.
pub struct Events {
    pub events: Vec<Event>,
    /// The outcome, or the refusal.
    pub end: Result<api::Outcome, Refused>,
}

/// A refusal as a client sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub code: tonic::Code,
    pub message: String,
    pub reason: String,
    pub remedy: String,
    pub exit_code: u32,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let detail = api::ErrorDetail::decode(status.details()).unwrap_or_default();
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason: detail.reason,
            remedy: detail.remedy,
            exit_code: detail.exit_code,
        }
    }
}

impl Events {
    /// Reads a command's stream to its end.
    pub async fn of(answer: Result<tonic::Response<Streaming<api::CommandEvent>>, Status>) -> Self {
        let mut events = Vec::new();
        let mut stream = match answer {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                return Self {
                    events,
                    end: Err(status.into()),
                };
            }
        };
        loop {
            match stream.message().await {
                Ok(Some(api::CommandEvent {
                    event: Some(Event::Outcome(outcome)),
                })) => {
                    assert!(matches!(stream.message().await, Ok(None)), "not the last");
                    return Self {
                        events,
                        end: Ok(outcome),
                    };
                }
                Ok(Some(event)) => events.push(event.event.expect("an event")),
                Ok(None) => panic!("the stream ended without an outcome: {events:?}"),
                Err(status) => {
                    return Self {
                        events,
                        end: Err(status.into()),
                    };
                }
            }
        }
    }

    pub fn outcome(&self) -> &api::Outcome {
        match &self.end {
            Ok(outcome) => outcome,
            Err(refused) => panic!("refused: {refused:?}"),
        }
    }

    pub fn refused(&self) -> &Refused {
        match &self.end {
            Err(refused) => refused,
            Ok(outcome) => panic!("not refused: {outcome:?}"),
        }
    }

    pub fn notices(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Notice(notice) => Some(notice.kind.as_str()),
                _ => None,
            })
            .collect()
    }

    pub fn plans(&self) -> Vec<&api::Plan> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Plan(plan) => Some(plan),
                _ => None,
            })
            .collect()
    }

    pub fn deliveries(&self) -> Vec<&api::Delivery> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Delivery(delivery) => Some(delivery),
                _ => None,
            })
            .collect()
    }

    /// The revision of a command on one fleet.
    pub fn revision(&self) -> u64 {
        self.outcome().revisions[0].revision
    }
}

/// Host names of a test.
#[derive(Clone, Default)]
pub struct TestNames(Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>);

impl TestNames {
    /// From now on the name has these addresses; none: it does not resolve.
    pub fn set(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|one| one.parse().unwrap()).collect();
        self.0.lock().unwrap().insert(host.to_owned(), addresses);
    }
}

#[async_trait]
impl Resolve for TestNames {
    async fn resolve(&self, host: &str) -> Result<Resolved, ResolveError> {
        match self.0.lock().unwrap().get(host) {
            Some(addresses) if !addresses.is_empty() => Ok(Resolved {
                addresses: addresses.clone(),
                valid_for: Duration::from_secs(3600),
            }),
            _ => Err(ResolveError {
                host: host.to_owned(),
                detail: "the test has no such name".to_owned(),
            }),
        }
    }
}

/// What a proxy in the ledger says to a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    Accept,
    /// Accept all other types, and say nothing yet of this one.
    AcceptBut(TypeUrl),
    /// Reject route configurations, with this message.
    RejectRoutes(&'static str),
    /// Reject everything, with this message.
    Reject(&'static str),
    /// Reject what is there now, with this message, and accept all that comes later.
    RejectOnce(&'static str),
    Nothing,
}

/// A proxy that exists in the ledger only; it takes whatever its fleet publishes.
pub struct LedgerProxy {
    handle: Handle,
    stream: StreamId,
    says: watch::Sender<Says>,
    task: JoinHandle<()>,
}

impl LedgerProxy {
    /// Connects.
    pub fn connect(server: &Server, fleet: &str, id: &str) -> Self {
        Self::saying(server, fleet, id, Says::Accept)
    }

    /// Connects, and answers so.
    pub fn saying(server: &Server, fleet: &str, id: &str, says: Says) -> Self {
        Self::at(server, fleet, id, "127.0.0.1:1", says)
    }

    /// Connects from that address, and answers so.
    pub fn at(server: &Server, fleet: &str, id: &str, address: &str, says: Says) -> Self {
        static STREAMS: AtomicU64 = AtomicU64::new(1);
        let stream = StreamId(STREAMS.fetch_add(1, Ordering::Relaxed));
        let handle = server.fleet(fleet);
        let info = ProxyInfo {
            id: id.into(),
            address: address.into(),
            software: "envoy 1.40.0".into(),
        };
        handle.ledger().connect(stream, info, Timestamp::now());
        let says = watch::Sender::new(says);
        let task = tokio::spawn(answer(handle.clone(), stream, says.subscribe()));
        Self {
            handle,
            stream,
            says,
            task,
        }
    }

    /// Answers so from now on.
    pub fn say(&self, says: Says) {
        self.says.send_replace(says);
    }

    /// Goes away.
    pub fn disconnect(self) {
        self.task.abort();
        self.handle
            .ledger()
            .disconnect(self.stream, Timestamp::now());
    }
}

impl Drop for LedgerProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(handle: Handle, stream: StreamId, mut says: watch::Receiver<Says>) {
    let mut snapshots = handle.snapshots();
    let mut rejected_once = false;
    let mut refused = BTreeMap::new();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let mood = says.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            let once = matches!(mood, Says::RejectOnce(_));
            let mood = match mood {
                Says::RejectOnce(_) if rejected_once => Says::Accept,
                Says::RejectOnce(message) => Says::Reject(message),
                mood => mood,
            };
            rejected_once |= once;
            answer_one(&handle, stream, &mood, &snapshot, &mut refused);
        }
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            changed = says.changed() => if changed.is_err() { return },
        }
    }
}

fn answer_one(
    handle: &Handle,
    stream: StreamId,
    says: &Says,
    snapshot: &Snapshot,
    refused: &mut BTreeMap<TypeUrl, Revision>,
) {
    for set in snapshot.types() {
        let rejected = match says {
            Says::AcceptBut(type_url) if set.type_url == *type_url => continue,
            Says::Accept | Says::AcceptBut(_) => None,
            Says::Nothing | Says::RejectOnce(_) => continue,
            Says::RejectRoutes(message) if set.type_url == TypeUrl::RouteConfiguration => {
                Some(*message)
            }
            Says::RejectRoutes(_) => None,
            Says::Reject(message) => Some(*message),
        };
        let new = set.changed_in == snapshot.revision;
        let known = *refused.get(&set.type_url).unwrap_or(&Revision::ZERO) == set.changed_in;
        let record = match rejected {
            // Who has said no does not say yes to the same.
            Some(_) if !new && known => continue,
            Some(message) if new => Record::Rejected {
                type_url: set.type_url,
                revision: set.changed_in,
                resources: set.resources.keys().map(ToString::to_string).collect(),
                message: message.to_owned(),
            },
            _ => Record::Accepted(set.type_url, set.changed_in),
        };
        if let Record::Rejected { revision, .. } = &record {
            refused.insert(set.type_url, *revision);
        }
        handle.ledger().record(stream, record, Timestamp::now());
    }
}
