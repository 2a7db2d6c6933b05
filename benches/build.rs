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
    model::{Colour, Name, ResourceSet, ServiceSpec, Split, TypeUrl},
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
            measure(count, label, input(count, listeners)?)?;
        }
    }
    let mut around = input(1, Listeners::OneEach)?;
    around.resources = resources()?;
    measure(1, "raw routes", around)?;
    println!("\nmedians of {ROUNDS} switches; the first build is one of everything");
    Ok(())
}

/// Prints the first build, and the medians of switch, check and diff.
fn measure(count: u16, label: &str, mut before: Input) -> Result<(), Box<dyn Error>> {
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
    let [switch, check, diff] = [builds, checks, diffs].map(median);
    println!(
        "{count:>8}  {label:<10}  {first:>12.1?}  {switch:>12.1?}  {check:>12.1?}  {diff:>12.1?}"
    );
    Ok(())
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

/// A set of the user's own resources: 200 clusters, and a route configuration of 500 routes whose last is the service's.
fn resources() -> Result<BTreeMap<Name, Arc<ResourceSet>>, Box<dyn Error>> {
    const CLUSTERS: usize = 200;
    let cluster = |number: usize| json!({ "@type": TypeUrl::Cluster.url(), "name": format!("svc-{number:04}") });
    let mut routes: Vec<_> = (1..500)
        .map(|number| {
            json!({
                "match": { "prefix": format!("/api/v1/service-{number:05}/") },
                "route": { "cluster": format!("svc-{:04}", number % CLUSTERS), "timeout": "15s" },
            })
        })
        .collect();
    routes.push(
        json!({ "match": { "prefix": "/" }, "route": { "cluster": "service:model-0", "timeout": "15s" } }),
    );
    let mut resources: Vec<_> = (0..CLUSTERS).map(cluster).collect();
    resources.push(json!({
        "@type": TypeUrl::RouteConfiguration.url(),
        "name": "main-routes",
        "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }],
    }));
    let fleet = Name::parse("payments")?;
    let set = ResourceSet { fleet, resources };
    Ok([(Name::parse("edge")?, Arc::new(set))].into())
}
