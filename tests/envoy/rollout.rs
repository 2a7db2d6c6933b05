//! A release on its way: begun by its command, seen as `status` and its record tell it, held against the load by the clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    fixtures::{Backends, PROXIES, was_sent, world_with},
    support::{
        load::{Failure, Report, Sample},
        waiting,
        world::World,
    },
};

/// The server asks the proxies for their load every second.
pub const REPORTS: (&str, &str) = ("BLUEGREEN_LOAD_REPORT_INTERVAL", "1s");

/// The service that is released.
pub const SERVICE: &str = "fraud-model";

/// So many standard deviations off, a binomial count is no chance any more: one in 1.7 million.
const SIGMAS: f64 = 5.0;

/// A fleet before a service whose blue (v1) is live and whose green (v2) is staged, released as `spec.release` says.
pub async fn world(backends: &Backends, spec: &str) -> World {
    world_with(backends, spec, &[REPORTS]).await
}

/// Begins the release of green; `args` are further flags.
pub async fn begin(world: &World, args: &[&str]) {
    let release = ["release", SERVICE, "--version", "v2", "--detach"];
    world.json(&[&release[..], args].concat()).await;
}

/// The release, once `status` says of it what is wanted.
pub async fn until(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let ask = async || world.json(&["status", SERVICE]).await["release"].clone();
    waiting::until(what, ask, is_so).await
}

/// The release, once it has come to that phase; it may be further by now.
pub async fn reached(world: &World, phase: &str) -> Value {
    let was_there = |release: &Value| steps(release, phase).next().is_some();
    until(world, phase, was_there).await
}

/// The steps of a release's log in that phase.
pub fn steps<'a>(release: &'a Value, phase: &'a str) -> impl Iterator<Item = &'a Value> {
    let log = release["log"].as_array().into_iter().flatten();
    log.filter(move |step| step["phase"] == phase)
}

/// The pushes of the newest release, once every proxy has accepted so many: when each was made, and when the last proxy
/// had accepted it.
pub async fn pushes(world: &World, count: usize) -> Vec<(Instant, Instant)> {
    let ask = async || {
        let record = world.json(&["releases", SERVICE, "1"]).await;
        record["deliveries"].as_array().cloned().unwrap_or_default()
    };
    let whole = |push: &Value| push["acked"] == PROXIES && push["total"] == PROXIES;
    let all = |pushes: &Vec<Value>| pushes.len() == count && pushes.iter().all(whole);
    let pushes = waiting::until("every push accepted", ask, all).await;
    let times = |push: &Value| (moment(&push["at"]), moment(&push["last"]));
    pushes.iter().map(times).collect()
}

/// A time of day as a moment of the load's clock.
pub fn moment(at: &Value) -> Instant {
    let at: Timestamp = at.as_str().expect("a time").parse().expect("a time");
    let passed = Timestamp::now().duration_since(at);
    let passed = Duration::try_from(passed).expect("a time that has passed");
    Instant::now() - passed
}

/// Who answered the requests that were sent between two moments: all of them, and those that `colour` did.
pub fn answered(report: &Report, colour: &str, from: Instant, to: Instant) -> (usize, usize) {
    let since = |at: Instant| at.saturating_duration_since(report.origin);
    let window = since(from)..since(to);
    let sent = report
        .samples
        .iter()
        .filter(|sample| was_sent(sample) && window.contains(&sample.sent));
    let by = sent
        .clone()
        .filter(|sample| sample.outcome.as_deref() == Ok(colour));
    (sent.count(), by.count())
}

/// Asserts that `count` of `all` is what chance makes of `percent`.
#[track_caller]
pub fn is_share(count: usize, all: usize, percent: u32) {
    let (all, p) = (all as f64, f64::from(percent) / 100.0);
    let off = (count as f64 - all * p).abs();
    let sigma = (all * p * (1.0 - p)).sqrt();
    assert!(off <= SIGMAS * sigma, "{count} of {all} are not {percent}%");
}

#[test]
fn a_request_that_was_never_sent_is_no_part_of_a_share() {
    let second = Duration::from_secs(1);
    let sample = |outcome: Result<&str, Failure>| Sample {
        due: second,
        sent: second,
        done: second,
        outcome: outcome.map(Arc::from),
        by: None,
    };
    let outcomes = [
        Ok("green"),
        Ok("blue"),
        Err(Failure::Timeout),
        Err(Failure::Connect),
        Err(Failure::Overrun),
    ];
    let report = Report {
        origin: Instant::now(),
        samples: outcomes.map(sample).to_vec(),
    };
    let until = report.origin + 2 * second;
    assert_eq!(answered(&report, "green", report.origin, until), (3, 1));
}
