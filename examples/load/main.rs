//! The load of docker-compose, and one for your own trials: a constant rate of POSTs to one or more proxies, a line a
//! second, and at the end what failed.
//!
//! ```text
//! cargo run --release --example load -- --target 127.0.0.1:10000 --rate 833
//! ```
//!
//! Ctrl-C or SIGTERM ends it. The last line on stdout is JSON; the exit code is 1 if a request failed, or none was
//! answered.

#[allow(dead_code, reason = "the demo and the tests use the rest")]
#[path = "../demo/load.rs"]
mod load;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::json;
use tokio::{
    net::lookup_host,
    signal::unix::{SignalKind, signal},
};

use crate::load::{Load, Plan, Protocol, Report, Shot};

/// How often a target that is not up yet is asked.
const POLL: Duration = Duration::from_millis(200);

/// A card payment that every version of the example model accepts.
const TRANSACTION: &str = r#"{"amount":43.2,"foreign":false,"hour":17,"merchant_risk":0.01,"last_hour":0,"card_age_days":900}"#;

/// Sends requests at a constant rate, retries none, and counts what fails.
#[derive(Parser)]
struct Args {
    /// HOST:PORT to send to; several share the rate.
    #[arg(long, required = true)]
    target: Vec<String>,
    /// Path to POST to.
    #[arg(long, default_value = "/score")]
    path: String,
    /// The body.
    #[arg(long, default_value = TRANSACTION)]
    body: String,
    /// Requests a second, over all targets.
    #[arg(long, default_value_t = 833)]
    rate: u32,
    /// Connections to each target.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Seconds to wait until every target answers with 200; requests count only after that.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Seconds to run. Each request is remembered until the end: an hour at 833 a second takes about 200 MB.
    #[arg(long, default_value_t = 3_600)]
    seconds: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mut targets = Vec::new();
    for name in &args.target {
        match reachable(name, &args).await {
            Ok(target) => targets.push(target),
            Err(why) => {
                eprintln!("load: {why}");
                return ExitCode::FAILURE;
            }
        }
    }

    let share = args
        .rate
        .div_ceil(u32::try_from(targets.len()).unwrap_or(u32::MAX))
        .max(1);
    let loads: Vec<_> = targets
        .iter()
        .map(|target| Load::start(plan(&args, *target, share)))
        .collect();
    tokio::select! {
        () = show_progress(&loads) => {}
        () = tokio::time::sleep(Duration::from_secs(args.seconds.into())) => {}
        () = interrupted() => {}
    }
    let mut reports = Vec::new();
    for load in loads {
        reports.push(load.stop().await);
    }
    summary(&reports)
}

fn plan(args: &Args, target: SocketAddr, rate: u32) -> Plan {
    Plan {
        target,
        protocol: Protocol::Http1,
        shots: vec![Shot::post(&args.path, args.body.clone())],
        rate,
        connections: args.connections,
        timeout: Duration::from_secs(5),
        limit: rate as usize * args.seconds as usize,
    }
}

/// The address of `name`, as soon as one request to it succeeds.
async fn reachable(name: &str, args: &Args) -> Result<SocketAddr, String> {
    let deadline = Instant::now() + Duration::from_secs(args.patience);
    loop {
        let why = match lookup_host(name).await.map(|mut found| found.next()) {
            Ok(Some(target)) => {
                let once = Load::start(Plan {
                    limit: 1,
                    connections: 1,
                    ..plan(args, target, 1_000)
                });
                let report = once.finish().await;
                match report.failures().keys().next() {
                    None => return Ok(target),
                    Some(failure) => failure.to_string(),
                }
            }
            Ok(None) => "the name has no address".to_owned(),
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            return Err(format!(
                "{name} did not answer within {} s: {why}",
                args.patience
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A line a second: how many, how many failed, and who answered in that second.
async fn show_progress(loads: &[Load]) {
    let mut seen = vec![0; loads.len()];
    let (mut total, mut failed) = (0, 0);
    for second in 1.. {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut versions = BTreeMap::<String, usize>::new();
        for (load, seen) in loads.iter().zip(&mut seen) {
            let samples = load.samples();
            for sample in samples.iter().skip(*seen) {
                match &sample.outcome {
                    Ok(version) => *versions.entry(version.to_string()).or_default() += 1,
                    Err(_) => failed += 1,
                }
            }
            total += samples.len() - *seen;
            *seen = samples.len();
        }
        let versions: Vec<_> = versions
            .iter()
            .map(|(version, count)| format!("{version} {count}"))
            .collect();
        println!(
            "{second:>5} s  {total} requests  {failed} failed  {}",
            versions.join("  ")
        );
    }
}

fn summary(reports: &[Report]) -> ExitCode {
    let mut versions = BTreeMap::<String, usize>::new();
    let mut failures = BTreeMap::<String, usize>::new();
    for report in reports {
        for (version, count) in report.versions() {
            *versions.entry(version.to_string()).or_default() += count;
        }
        for (failure, count) in report.failures() {
            *failures.entry(failure.to_string()).or_default() += count;
        }
    }
    let requests: usize = reports.iter().map(|report| report.samples.len()).sum();
    let failed: usize = failures.values().sum();
    println!(
        "{}",
        json!({ "requests": requests, "failed": failed, "failures": failures, "versions": versions })
    );
    if failed == 0 && !versions.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn interrupted() {
    // Where a signal cannot be caught, it still ends the program.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
