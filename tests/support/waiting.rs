//! Waiting for what can only be asked for: an Envoy's counters, the server's view of its fleet.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{envoy::Envoy, world::World};

/// Nothing that a test waits for takes longer, even on a machine that compiles beside it.
const LIMIT: Duration = Duration::from_secs(60);

/// Neither side tells when it changes, so it is asked this often.
const POLL: Duration = Duration::from_millis(20);

/// Asks until the answer is yes; panics with the last answer when it does not come.
pub async fn until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> T,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = ask().await;
        if is_so(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "not {what}: {answer:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until the sum of an Envoy's counters or gauges with these names is as wanted.
pub async fn stat(envoy: &Envoy, filter: &str, is_so: impl Fn(u64) -> bool) -> u64 {
    let ask = async || sum(envoy, filter).await;
    until(filter, ask, |value| is_so(*value)).await
}

/// The sum of an Envoy's counters or gauges with these names.
pub async fn sum(envoy: &Envoy, filter: &str) -> u64 {
    let stats = envoy.stats(filter).await.expect("the admin port answers");
    stats.values().sum()
}

/// Waits until the server says of fleet `payments` what is wanted.
pub async fn fleet(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let ask = async || {
        let fleets = world.json(&["fleet"]).await;
        let fleets = fleets.as_array().expect("a list").iter();
        let mut ours = fleets.filter(|fleet| fleet["fleet"] == "payments");
        ours.next().cloned().unwrap_or_default()
    };
    until(what, ask, is_so).await
}
