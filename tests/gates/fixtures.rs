//! What the tests release: versions of the example model, and the context in which checks see them.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bluegreen::{
    gates::{self, Context, Planned, RunOptions, Side, Target, Wish, client::Client},
    model::{
        Colour, Protocol,
        check::{Analysis, CheckSpec},
    },
    telemetry::Telemetry,
};
use http::HeaderValue;
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::watch};

use crate::fraud_model::{
    model::Model,
    recent::Recent,
    service::{self, Service},
    trouble::Trouble,
};

/// A running version of the example model. Dropped, it stops.
pub struct FraudModel {
    pub address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl FraudModel {
    /// With the weights of that version.
    pub async fn start(version: &str) -> Self {
        Self::slow(version, Duration::ZERO).await
    }

    /// The same, taking so long for each score.
    pub async fn slow(version: &str, delay: Duration) -> Self {
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/fraud-model/weights");
        let model = Model::load(&weights.join(format!("{version}.json"))).unwrap();
        let version = HeaderValue::from_str(&model.version).unwrap();
        let (stop, stopped) = watch::channel(false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Arc::new(Service {
            model,
            delay,
            version,
            recent: Recent::default(),
            trouble: Trouble::default(),
        });
        tokio::spawn(service::serve(listener, service, stopped));
        Self {
            address,
            _stop: stop,
        }
    }
}

/// A release of `candidate` (green) over `baseline` (blue).
pub fn context(candidate: (&str, Vec<SocketAddr>), baseline: (&str, Vec<SocketAddr>)) -> Context {
    let side = |colour: Colour, (version, endpoints): (&str, Vec<SocketAddr>)| Side {
        colour,
        version: version.to_owned(),
        cluster: format!("fraud-model/{colour}"),
        endpoints,
        settings: None,
        since: None,
    };
    Context {
        target: Arc::new(Target {
            fleet: "payments".parse().unwrap(),
            service: "fraud-model".parse().unwrap(),
            protocol: Protocol::Http1,
            host: None,
            candidate: side(Colour::Green, candidate),
            baseline: Some(side(Colour::Blue, baseline)),
            proxies: Vec::new(),
            astray: Vec::new(),
            step: None,
            preview: None,
        }),
        client: Client::new().unwrap(),
        telemetry: Arc::new(Telemetry::new(Timestamp::now, || {})),
        decisions: watch::channel(Vec::new()).1,
        files: None,
        clock: Arc::new(Timestamp::now),
    }
}

/// Checks as a document lists them.
pub fn checks(yaml: &str) -> Vec<CheckSpec> {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// Runs them as gates, to their end.
pub async fn run(specs: Vec<CheckSpec>, context: &Context) -> Analysis {
    let planned: Vec<Planned> = specs
        .into_iter()
        .map(|spec| {
            let spec = Arc::new(spec);
            let check = gates::measuring(&spec);
            Planned { spec, check }
        })
        .collect();
    let progress = watch::channel(gates::pending(&planned, context)).0;
    let wish = watch::channel(Wish::Run).1;
    gates::run(&planned, context, RunOptions::gates(), wish, &progress).await
}
