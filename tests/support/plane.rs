//! The real xDS server on port 0, with fleets that a test feeds by hand instead of a controller.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen::{
    fleet::Ledger,
    model::{Colour, Name, ServiceSpec, Split},
    snapshot::{Input, ServiceInput, Snapshot, build},
    telemetry::Telemetry,
    xds::{
        server::{self, Directory, FleetFeed, JoinError, serve},
        session::Options,
    },
};
use jiff::Timestamp;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};

/// How long a test waits for something that must happen: long enough for a machine that is busy compiling.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One fleet, fed by hand.
pub struct Fleet {
    pub ledger: Arc<Ledger>,
    pub telemetry: Arc<Telemetry>,
    input: Input,
    newest: Snapshot,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    changes: watch::Sender<u64>,
}

impl Fleet {
    fn new(name: &Name) -> Self {
        let changes = watch::Sender::new(0);
        let observer = || {
            let observed = changes.clone();
            move || observed.send_modify(|n| *n += 1)
        };
        Self {
            ledger: Arc::new(Ledger::new(observer())),
            telemetry: Arc::new(Telemetry::new(Timestamp::now, observer())),
            input: Input::default(),
            newest: Snapshot::empty(name.clone()),
            snapshots: watch::Sender::new(None),
            changes,
        }
    }
}

/// The fleets of a server, and what proxies find them by.
#[derive(Clone, Default)]
pub struct Fleets {
    fleets: Arc<Mutex<BTreeMap<Name, Fleet>>>,
    options: Options,
    server: server::Options,
    reject_unknown: bool,
}

impl Fleets {
    /// With sessions that wait only as long as a test does.
    pub fn with_options(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// With a server that is set like this.
    pub fn served_with(mut self, server: server::Options) -> Self {
        self.server = server;
        self
    }

    /// Refuses fleets that were not fed yet.
    pub fn reject_unknown(mut self) -> Self {
        self.reject_unknown = true;
        self
    }

    fn with<T>(&self, fleet: &str, f: impl FnOnce(&mut Fleet) -> T) -> T {
        let name = Name::parse(fleet).unwrap();
        let mut fleets = self.fleets.lock().unwrap();
        f(fleets
            .entry(name.clone())
            .or_insert_with(|| Fleet::new(&name)))
    }

    /// Changes what is declared and pushes the revision that comes of it.
    pub fn change(&self, fleet: &str, change: impl FnOnce(&mut Input)) -> Arc<Snapshot> {
        self.with(fleet, |fleet| {
            let mut input = fleet.input.clone();
            change(&mut input);
            fleet.newest = build(&fleet.newest, &fleet.input, &input).unwrap().snapshot;
            fleet.input = input;
            let pushed = Arc::new(fleet.newest.clone());
            fleet.snapshots.send_replace(Some(pushed.clone()));
            pushed
        })
    }

    /// Pushes a snapshot that was made elsewhere.
    pub fn push(&self, fleet: &str, snapshot: Snapshot) {
        self.with(fleet, |fleet| {
            fleet.newest = snapshot.clone();
            fleet.snapshots.send_replace(Some(Arc::new(snapshot)));
        });
    }

    /// The newest snapshot.
    pub fn newest(&self, fleet: &str) -> Snapshot {
        self.with(fleet, |fleet| fleet.newest.clone())
    }

    pub fn ledger(&self, fleet: &str) -> Arc<Ledger> {
        self.with(fleet, |fleet| fleet.ledger.clone())
    }

    pub fn telemetry(&self, fleet: &str) -> Arc<Telemetry> {
        self.with(fleet, |fleet| fleet.telemetry.clone())
    }

    /// Waits until what proxies reported says so.
    pub async fn until_reported(
        &self,
        fleet: &str,
        what: &str,
        mut says: impl FnMut(&Telemetry) -> bool,
    ) {
        let telemetry = self.telemetry(fleet);
        self.until(fleet, what, |_| says(&telemetry)).await;
    }

    /// Waits until the ledger of a fleet says so.
    pub async fn until(&self, fleet: &str, what: &str, mut says: impl FnMut(&Ledger) -> bool) {
        let (ledger, mut changes) = self.with(fleet, |f| (f.ledger.clone(), f.changes.subscribe()));
        let wait = async {
            while !says(&ledger) {
                changes.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            let view = ledger.proxies(&BTreeMap::new());
            panic!("the ledger of {fleet} never said: {what}; it says {view:#?}");
        }
    }
}

impl Directory for Fleets {
    fn join(&self, fleet: &Name) -> Result<FleetFeed, JoinError> {
        let known = self.fleets.lock().unwrap().contains_key(fleet);
        if self.reject_unknown && !known {
            return Err(JoinError::Unknown {
                fleet: fleet.clone(),
            });
        }
        Ok(self.with(fleet.as_str(), |entry| FleetFeed {
            snapshots: entry.snapshots.subscribe(),
            ledger: entry.ledger.clone(),
            telemetry: entry.telemetry.clone(),
            lease: None,
            options: self.options,
        }))
    }
}

/// A running xDS server.
pub struct Plane {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Plane {
    pub async fn start(fleets: &Fleets) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, fleets)
    }

    pub fn on(listener: TcpListener, fleets: &Fleets) -> Self {
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let directory = Arc::new(fleets.clone());
        let options = fleets.server.clone();
        let task = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            serve(listener, directory, options, stopped).await;
        });
        Self {
            address,
            stop: Some(stop),
            task,
        }
    }

    /// Shuts down cleanly; returns once everything has ended.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        tokio::time::timeout(PATIENCE, &mut self.task)
            .await
            .expect("the server did not end")
            .unwrap();
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A service on a port, with an address for each colour.
pub fn service(port: u16, blue: &[SocketAddr], green: &[SocketAddr], live: Colour) -> ServiceInput {
    service_with(port, json!({}), blue, green, live)
}

/// The same, with more in its spec.
pub fn service_with(
    port: u16,
    more: serde_json::Value,
    blue: &[SocketAddr],
    green: &[SocketAddr],
    live: Colour,
) -> ServiceInput {
    let mut spec = json!({
        "fleet": "payments",
        "listener": { "address": "127.0.0.1", "port": port },
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let spec: ServiceSpec = serde_json::from_value(spec).unwrap();
    ServiceInput::new(
        Arc::new(spec),
        blue.to_vec(),
        green.to_vec(),
        Split::all_to(live),
    )
}
