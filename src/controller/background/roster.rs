//! Keeps the roster of a fleet in the store, and forgets proxies that stay away.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::{controller::handle::Handle, fleet::RosterEntry};

/// Who is away, and since which look: absence is what passes between looks, so that time in which the server did not run is
/// nobody's absence, and a clock that is set makes none longer or shorter.
#[derive(Default)]
struct Absences(BTreeMap<Arc<str>, (Timestamp, Instant)>);

impl Absences {
    /// Looks at who is away, each with when it was last seen; gives back who has been for `limit` or longer.
    fn look(
        &mut self,
        away: Vec<(Arc<str>, Timestamp)>,
        now: Instant,
        limit: Duration,
    ) -> Vec<Arc<str>> {
        let before = std::mem::take(&mut self.0);
        let mut over = Vec::new();
        for (id, last_seen) in away {
            let same = before.get(&id).filter(|(seen, _)| *seen == last_seen);
            let since = same.map_or(now, |(_, since)| *since);
            if now.duration_since(since) >= limit {
                over.push(id.clone());
            }
            self.0.insert(id, (last_seen, since));
        }
        over
    }
}

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
    let mut absences = Absences::default();
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            () = newcomers(&handle, &mut changes, &saved) => false,
            () = shared.stopped() => true,
        };
        let ledger = handle.ledger();
        for proxy in absences.look(ledger.away(), Instant::now(), shared.roster_away) {
            // Who is back meanwhile stays.
            if ledger.forget(&proxy).is_ok() {
                tracing::info!(fleet = %handle.name(), %proxy, "proxy stayed away and is forgotten");
            }
        }
        let telemetry = handle.telemetry();
        telemetry.expire(telemetry.now(), shared.roster_away);
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

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    fn seen(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    /// What a proxy was stamped with when it left says nothing of how long that is ago: the clock may have been set since, and
    /// the server may not have run.
    #[test]
    fn absence_is_what_passes_between_looks() {
        for stamp in [seen(0), seen(1_000_000)] {
            let mut absences = Absences::default();
            let away = || vec![("p1".into(), stamp)];
            let first = Instant::now();
            assert!(absences.look(away(), first, LIMIT).is_empty());
            let soon = first + LIMIT - Duration::from_millis(1);
            assert!(absences.look(away(), soon, LIMIT).is_empty());
            assert_eq!(absences.look(away(), first + LIMIT, LIMIT), ["p1".into()]);
        }
    }

    #[test]
    fn who_was_back_meanwhile_begins_anew() {
        let mut absences = Absences::default();
        let first = Instant::now();
        absences.look(
            vec![("p1".into(), seen(1)), ("p2".into(), seen(1))],
            first,
            LIMIT,
        );
        // One came and went between two looks, the other is back.
        let over = absences.look(vec![("p1".into(), seen(2))], first + LIMIT, LIMIT);
        assert!(over.is_empty());
        let again = vec![("p1".into(), seen(2)), ("p2".into(), seen(1))];
        let later = first + LIMIT + LIMIT;
        assert_eq!(absences.look(again, later, LIMIT), ["p1".into()]);
    }
}
