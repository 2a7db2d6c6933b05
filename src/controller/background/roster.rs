//! Keeps the roster of a fleet in the store, and forgets proxies that stay away.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{controller::handle::Handle, fleet::RosterEntry};

/// What makes a roster worth saving: who, where, what, and for those away, since when.
type Key = (Arc<str>, Arc<str>, Arc<str>, Option<Timestamp>);

/// Newcomers are saved sooner than the rest: after a crash a proof must not leave out a proxy because it is not back
/// yet. Those of a tenth of a second are saved together, so that a fleet that arrives at once costs a few writes.
const NEWCOMERS: Duration = Duration::from_millis(100);

/// Runs until the server goes down, and saves once more then.
pub(in crate::controller) async fn run(handle: Handle) {
    let shared = handle.0.shared.clone();
    let mut ticks = interval(shared.roster_save);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changes = handle.ledger_changes();
    let mut saved = Vec::new();
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            () = newcomers(&handle, &mut changes, &saved) => false,
            () = shared.stopped() => true,
        };
        // Time in which the server did not run is nobody's absence.
        if shared.started.elapsed() >= shared.roster_away {
            for proxy in handle.ledger().expire(shared.now(), shared.roster_away) {
                tracing::info!(fleet = %handle.name(), %proxy, "proxy stayed away and is forgotten");
            }
            let now = shared.now();
            handle.telemetry().expire(now, shared.roster_away);
        }
        save(&handle, &mut saved).await;
        if last {
            return;
        }
    }
}

/// Returns when the roster has a proxy that was not saved yet.
async fn newcomers(handle: &Handle, changes: &mut watch::Receiver<u64>, saved: &[Key]) {
    loop {
        sleep(NEWCOMERS).await;
        if changes.changed().await.is_err() {
            // The server goes down, and saves once more.
            return std::future::pending().await;
        }
        if handle.head().is_some() && handle.ledger().len() > saved.len() {
            return;
        }
    }
}

async fn save(handle: &Handle, saved: &mut Vec<Key>) {
    // The proxies of a fleet that nothing is declared for wait; they are not worth remembering yet.
    if handle.head().is_none() {
        return;
    }
    let shared = &handle.0.shared;
    let now = shared.now();
    let roster = handle.ledger().roster(now);
    let keys: Vec<Key> = roster.iter().map(|entry| key(entry, now)).collect();
    if keys == *saved {
        return;
    }
    match shared.store.save_roster(handle.name(), roster).await {
        Ok(()) => *saved = keys,
        // The next tick tries again.
        Err(error) => {
            tracing::warn!(fleet = %handle.name(), %error, "the roster was not saved");
        }
    }
}

fn key(entry: &RosterEntry, now: Timestamp) -> Key {
    // Of a connected proxy "last seen" is now: no news.
    let away = (entry.last_seen != now).then_some(entry.last_seen);
    (
        entry.id.clone(),
        entry.address.clone(),
        entry.software.clone(),
        away,
    )
}
