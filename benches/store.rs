//! What a switch costs on disk: the time of its commit in fleets of 1, 100 and 1,000 services, the disk after 1,000
//! switches, and the time to open that again.
//!
//! `cargo bench --bench store [-- DIR]`; DIR is where the data directories are made (default: the temporary directory).

#[path = "../tests/store/fixture.rs"]
#[allow(dead_code)]
mod fixture;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bluegreen::{
    model::Colour,
    store::{CommitKind, SledOptions, SledStore, Store},
};
use fixture::World;

/// Switches per fleet.
const SWITCHES: usize = 1_000;

#[tokio::main]
async fn main() {
    let place = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let place = place.map_or_else(std::env::temp_dir, PathBuf::from);
    println!(
        "{:>8} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "services", "resources", "first", "median", "p99", "max", "disk", "open"
    );
    for services in [1, 100, 1_000] {
        run(&place, services).await;
    }
}

async fn run(place: &Path, services: usize) {
    let dir = tempfile::tempdir_in(place).expect("a directory");
    let options = SledOptions::default();
    let store = SledStore::open(dir.path(), options).await.expect("opens");
    let names: Vec<String> = (0..services).map(|at| format!("service-{at}")).collect();
    let all: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Colour::Blue))
        .collect();
    let mut world = World::new("payments");
    let first = world.put(&all, CommitKind::Change);
    let since = Instant::now();
    store.commit(first).await.expect("commits");
    let first = since.elapsed();

    let mut times = Vec::with_capacity(SWITCHES);
    for round in 0..SWITCHES {
        let name = names[round % services].as_str();
        let live = if (round / services).is_multiple_of(2) {
            Colour::Green
        } else {
            Colour::Blue
        };
        let commit = world.put(&[(name, live)], CommitKind::Switch);
        let since = Instant::now();
        store.commit(commit).await.expect("commits");
        times.push(since.elapsed());
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let resources: usize = world.snapshot.types().map(|set| set.resources.len()).sum();
    store.close().await.expect("closes");
    drop(store);
    let disk = size(&dir.path().join("db"));
    let since = Instant::now();
    let store = SledStore::open(dir.path(), options)
        .await
        .expect("opens again");
    let open = since.elapsed();
    store.close().await.expect("closes");
    println!(
        "{services:>8} {resources:>9} {:>10} {:>10} {:>10} {:>10} {:>9.1}M {:>10}",
        ms(first),
        ms(at(0.5)),
        ms(at(0.99)),
        ms(at(1.0)),
        disk as f64 / 1e6,
        ms(open),
    );
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
