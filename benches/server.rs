//! What a whole server costs its operator: switches in fleets of 1, 100 and 1,000 services, in 50 fleets one by one and
//! all at once, and a start with 1,000 stored versions: `cargo bench --bench server`.
//!
//! Every switch goes through the admin API and is over when it is durable. Prints tables and judges nothing.

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use bluegreen::{
    api::{self, admin_client::AdminClient, command_event::Event},
    app::{App, RunError, config::Config},
};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::transport::Channel;

type BoxError = Box<dyn Error + Send + Sync>;

/// Switches per row: enough for a median that is the same twice.
const SWITCHES: usize = 101;

/// Revisions that the cold start finds: as many as are kept by default.
const VERSIONS: usize = 1_000;

const FLEETS: usize = 50;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    println!(
        "{:>8}  {:>12}  {:>12}  {:>12}  {:>12}  {:>9}",
        "services", "apply", "median", "p99", "most", "changed"
    );
    for count in [1, 100, 1_000] {
        services(count).await?;
    }
    fleets().await?;
    cold_start().await
}

/// Switches in one fleet with so many services that share a listener.
async fn services(count: usize) -> Result<(), BoxError> {
    let dir = tempfile::tempdir()?;
    let mut server = Server::start(dir.path()).await?;
    let documents = (0..count).map(|number| service(number, "payments"));
    let applied = server.apply(documents.collect()).await?;
    let mut times = Vec::new();
    let mut changed = 0;
    for round in 0..SWITCHES {
        let began = Instant::now();
        changed = server.switch(round % count).await?;
        times.push(began.elapsed());
    }
    times.sort();
    println!(
        "{count:>8}  {applied:>12.1?}  {:>12.1?}  {:>12.1?}  {:>12.1?}  {changed:>9}",
        at(&times, 0.5),
        at(&times, 0.99),
        at(&times, 1.0),
    );
    server.stop().await
}

/// Many fleets on one server.
async fn fleets() -> Result<(), BoxError> {
    let dir = tempfile::tempdir()?;
    let mut server = Server::start(dir.path()).await?;
    let documents = (0..FLEETS).map(|number| service(number, &format!("fleet-{number}")));
    server.apply(documents.collect()).await?;
    let mut times = Vec::new();
    for number in 0..FLEETS {
        let began = Instant::now();
        server.switch(number).await?;
        times.push(began.elapsed());
    }
    times.sort();
    let began = Instant::now();
    let all = (0..FLEETS).map(|number| {
        let to = server.other(number);
        switch(server.admin.clone(), number, to)
    });
    try_join_all(all.collect::<Vec<_>>()).await?;
    println!(
        "\n{FLEETS} fleets: a switch in one takes {:.1?} ({:.1?} at most); in all at the same time {:.1?}",
        at(&times, 0.5),
        at(&times, 1.0),
        began.elapsed(),
    );
    server.stop().await
}

/// From nothing to a server that listens, on a store with a full history.
async fn cold_start() -> Result<(), BoxError> {
    let dir = tempfile::tempdir()?;
    let mut server = Server::start(dir.path()).await?;
    server.apply(vec![service(0, "payments")]).await?;
    for _ in 0..VERSIONS {
        server.switch(0).await?;
    }
    server.stop().await?;
    let began = Instant::now();
    let server = Server::start(dir.path()).await?;
    println!(
        "\ncold start with {VERSIONS} stored versions: {:.1?}",
        began.elapsed()
    );
    server.stop().await
}

/// A server in this process, and its operator.
struct Server {
    admin: AdminClient<Channel>,
    /// The colour that each service has now, once it was switched.
    live: Vec<(usize, api::Colour)>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), RunError>>,
}

impl Server {
    async fn start(dir: &Path) -> Result<Self, BoxError> {
        let app = App::build(Config::local(dir)).await?;
        let admin = format!("http://{}", app.addresses().admin);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(app.run(async move {
            // An error: the bench is over.
            let _ = stopped.await;
        }));
        let admin = AdminClient::connect(admin)
            .await?
            .max_encoding_message_size(64 << 20)
            .max_decoding_message_size(64 << 20);
        Ok(Self {
            admin,
            live: Vec::new(),
            stop,
            running,
        })
    }

    async fn apply(&mut self, documents: Vec<Value>) -> Result<Duration, BoxError> {
        let file = |document: &Value| api::File {
            name: "bench.yaml".to_owned(),
            // JSON is YAML.
            content: document.to_string(),
        };
        let request = api::ApplyRequest {
            files: documents.iter().map(file).collect(),
            ..Default::default()
        };
        let began = Instant::now();
        let mut events = self.admin.apply(request).await?.into_inner();
        while let Some(message) = events.message().await? {
            if let Some(Event::Outcome(outcome)) = message.event
                && outcome.exit_code != 0
            {
                return Err(outcome.message.into());
            }
        }
        Ok(began.elapsed())
    }

    /// Switches one service to its other environment; says how many resources that changed.
    async fn switch(&mut self, number: usize) -> Result<usize, BoxError> {
        let to = self.other(number);
        self.live.retain(|(one, _)| *one != number);
        self.live.push((number, to));
        switch(self.admin.clone(), number, to).await
    }

    fn other(&self, number: usize) -> api::Colour {
        match self.live.iter().find(|(one, _)| *one == number) {
            Some((_, api::Colour::Green)) => api::Colour::Blue,
            _ => api::Colour::Green,
        }
    }

    async fn stop(self) -> Result<(), BoxError> {
        // An error: it has ended already, and says how below.
        let _ = self.stop.send(());
        Ok(self.running.await??)
    }
}

async fn switch(
    mut admin: AdminClient<Channel>,
    number: usize,
    to: api::Colour,
) -> Result<usize, BoxError> {
    let request = api::SwitchRequest {
        service: format!("model-{number}"),
        to: to as i32,
        // The endpoints do not exist.
        waive: Some(api::Waivers {
            skip_probe: true,
            force: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut events = admin.switch(request).await?.into_inner();
    let mut changed = 0;
    while let Some(message) = events.message().await? {
        match message.event {
            Some(Event::Plan(plan)) => changed = plan.changes.len(),
            Some(Event::Outcome(outcome)) if outcome.exit_code != 0 => {
                return Err(outcome.message.into());
            }
            _ => {}
        }
    }
    Ok(changed)
}

fn service(number: usize, fleet: &str) -> Value {
    let addresses = |third: u8| -> Vec<String> {
        (1..=4)
            .map(|host| format!("10.0.{third}.{host}:8080"))
            .collect()
    };
    json!({
        "apiVersion": "bluegreen/v1",
        "kind": "Service",
        "metadata": { "name": format!("model-{number}") },
        "spec": {
            "fleet": fleet,
            "listener": { "address": "0.0.0.0", "port": 10_000 },
            "hosts": [format!("model-{number}.example")],
            "routes": [{ "match": { "prefix": "/" }, "timeout": "2s" }],
            "environments": {
                "blue": { "version": "v1", "endpoints": addresses(1) },
                "green": { "version": "v2", "endpoints": addresses(2) },
            },
        },
    })
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}
