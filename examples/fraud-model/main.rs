//! A small model server: the thing that gets released in the demo, the tests and docker-compose.
//!
//! ```text
//! cargo run --example fraud-model -- --weights examples/fraud-model/weights/v1.2.json --listen 127.0.0.1:9001
//! curl -d '{"amount":900,"foreign":true,"hour":3,"merchant_risk":0.4,"last_hour":6,"card_age_days":20}' \
//!     127.0.0.1:9001/score
//! ```

mod model;
mod recent;
mod service;
mod trouble;

use std::{
    error::Error, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration,
};

use clap::Parser;
use http::HeaderValue;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{model::Model, recent::Recent, service::Service, trouble::Trouble};

/// Scores card transactions: POST /score, GET /samples, GET /version, GET /healthz.
#[derive(Parser)]
struct Args {
    /// Address to listen on; port 0 takes a free one. The first line on stdout is what was bound.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The version's weights, as in examples/fraud-model/weights.
    #[arg(long)]
    weights: PathBuf,
    /// Time added to each score, as "20ms", to stand for a heavier model.
    #[arg(long, default_value = "0ms", value_parser = duration)]
    delay: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from(parsed).map_err(|_| "a delay cannot be negative".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error
                .source()
                .map(|cause| format!(" ({cause})"))
                .unwrap_or_default();
            eprintln!("fraud-model: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let model = Model::load(&args.weights)?;
    let version = HeaderValue::from_str(&model.version)?;
    let listener = TcpListener::bind(args.listen).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("{}", listener.local_addr()?);

    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stop.send_replace(true);
    });
    let service = Arc::new(Service {
        model,
        delay: args.delay,
        version,
        recent: Recent::default(),
        trouble: Trouble::default(),
    });
    service::serve(listener, service, stopped).await;
    Ok(())
}
