//! What a switch costs to build, by the size of the fleet's configuration: `cargo bench --bench build`.
//!
//! Prints a table and judges nothing: what is fast enough depends on the machine.

use std::{
    collections::BTreeMap,
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bluegreen::{
    model::{Colour, Name, ServiceSpec, Split},
    snapshot::{self, Input, ServiceInput, Snapshot},
};
use serde_json::json;

/// Switches per row: enough for a median that is the same twice.
const ROUNDS: usize = 201;

/// Whether services share a listener: then a switch builds the routes of all of them.
#[derive(Clone, Copy)]
enum Listeners {
    OneEach,
    Shared,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:>8}  {:<10}  {:>12}  {:>12}  {:>12}  {:>12}",
        "services", "listeners", "first build", "switch", "check", "diff"
    );
    for count in [1, 100, 1000] {
        for (label, listeners) in [
            ("one each", Listeners::OneEach),
            ("shared", Listeners::Shared),
        ] {
            let row = measure(count, listeners)?;
            println!(
                "{count:>8}  {label:<10}  {:>12.1?}  {:>12.1?}  {:>12.1?}  {:>12.1?}",
                row[0], row[1], row[2], row[3]
            );
        }
    }
    println!("\nmedians of {ROUNDS} switches; the first build is one of everything");
    Ok(())
}

/// First build, and the medians of switch, check and diff.
fn measure(count: u16, listeners: Listeners) -> Result<[Duration; 4], Box<dyn Error>> {
    let mut before = input(count, listeners)?;
    let empty = Snapshot::empty(Name::parse("payments")?);
    let start = Instant::now();
    let mut snapshot = snapshot::build(&empty, &Input::default(), &before)?.snapshot;
    let first = start.elapsed();

    let (mut builds, mut checks, mut diffs) = (Vec::new(), Vec::new(), Vec::new());
    let names: Vec<Name> = before.services.keys().cloned().collect();
    for round in 0..ROUNDS {
        let name = &names[round % names.len()];
        let mut after = before.clone();
        if let Some(service) = after.services.get_mut(name) {
            let live = if service.split.blue > 0 {
                Colour::Green
            } else {
                Colour::Blue
            };
            Arc::make_mut(service).split = Split::all_to(live);
        }
        let start = Instant::now();
        let built = snapshot::build(&snapshot, &before, &after)?.snapshot;
        builds.push(start.elapsed());

        let start = Instant::now();
        let problems = snapshot::check_since(&snapshot, &built);
        checks.push(start.elapsed());
        assert!(problems.is_empty(), "{problems:?}");

        let start = Instant::now();
        let routes_only = snapshot::only_routes_differ(&snapshot, &built);
        diffs.push(start.elapsed());
        assert!(routes_only.is_ok(), "{routes_only:?}");
        (snapshot, before) = (built, after);
    }
    Ok([first, median(builds), median(checks), median(diffs)])
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn input(count: u16, listeners: Listeners) -> Result<Input, Box<dyn Error>> {
    let mut services = BTreeMap::new();
    for number in 0..count {
        let port = match listeners {
            Listeners::OneEach => 10_000 + number,
            Listeners::Shared => 10_000,
        };
        let spec: ServiceSpec = serde_json::from_value(json!({
            "fleet": "payments",
            "listener": { "address": "0.0.0.0", "port": port },
            "hosts": [format!("model-{number}.example")],
            "routes": [{ "match": { "prefix": "/" }, "timeout": "2s" }],
            "cluster": { "healthCheck": { "path": "/healthz", "interval": "2s", "timeout": "500ms" } },
        }))?;
        let addresses = |third: u8| -> Vec<SocketAddr> {
            (1..=4)
                .map(|host| SocketAddr::from(([10, 0, third, host], 8080)))
                .collect()
        };
        let service = ServiceInput::new(
            Arc::new(spec),
            addresses(1),
            addresses(2),
            Split::all_to(Colour::Blue),
        );
        services.insert(Name::parse(&format!("model-{number}"))?, Arc::new(service));
    }
    Ok(Input {
        services,
        resources: BTreeMap::new(),
    })
}
