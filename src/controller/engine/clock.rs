//! The time that counts for releases, between the commits that store it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    job::Jobs,
    look::{Look, retain_services},
    presence::Presence,
    reports,
    signal::advance,
};
use crate::{
    controller::handle::Handle,
    model::Name,
    release::{ClockKey, Rollout, RolloutPhase, Signal, SignalKind, Stopwatch},
};

/// Time that counted is stored at least so often, and when the server goes down: a crash gives a bake at most this once more, and
/// an hour's standby is sixty small revisions at most.
const CHECKPOINT: Duration = Duration::from_secs(60);

/// The stopwatches of a fleet's releases.
#[derive(Default)]
pub(super) struct Clocks {
    /// When the engine began to look; readings are since then.
    began: Option<Instant>,
    running: BTreeMap<Name, (ClockKey, Stopwatch)>,
}

impl Clocks {
    /// Looks at the clock, and tells releases whose time is over, or worth storing.
    pub fn look(&mut self, look: Look<'_>, jobs: &mut Jobs) {
        let Look { handle, head, .. } = look;
        let now = Instant::now();
        let reading = now - *self.began.get_or_insert(now);
        retain_services(&mut self.running, head);
        let absent = absent(look.presence);
        for (name, service) in &head.state.services {
            let Some(rollout) = service.rollout.as_deref().filter(|it| counts(it)) else {
                self.running.remove(name);
                continue;
            };
            let waits_for = if look.settled {
                let needed = reports::are_needed(rollout);
                absent
                    .clone()
                    .or_else(|| look.reports.missing().filter(|_| needed))
            } else {
                Some("known proxies are not back yet after the server's start".to_owned())
            };
            let key = ClockKey::of(rollout);
            let watch = match self.running.entry(name.clone()) {
                Entry::Occupied(entry) => {
                    let (known, watch) = entry.into_mut();
                    match key.stored_since(*known) {
                        Some(more) => watch.stored(more),
                        None => *watch = Stopwatch::default(),
                    }
                    *known = key;
                    watch
                }
                Entry::Vacant(entry) => &mut entry.insert((key, Stopwatch::default())).1,
            };
            watch.look(reading, waits_for.is_none());
            let counted = watch.counted();
            handle.set_clock(name, key, counted, waits_for);
            if counted >= rollout.clock.left() || counted >= CHECKPOINT {
                if rollout.clock.is_over() {
                    continue;
                }
                let kind = SignalKind::Elapsed {
                    of: key,
                    time: counted,
                };
                jobs.tell(name, rollout.number, kind, "elapsed");
            }
        }
    }
}

/// Stores what has counted for a fleet's releases, before the server goes down. What can't be stored counts once more, as after
/// a crash.
pub(in crate::controller) async fn store_counted(handle: Handle) {
    let Some(head) = handle.head() else { return };
    for (name, service) in &head.state.services {
        let Some(rollout) = service.rollout.as_deref().filter(|it| counts(it)) else {
            continue;
        };
        let progress = handle.release_progress(name);
        let time = progress.map_or(Duration::ZERO, |it| it.elapsed(rollout));
        if time.is_zero() {
            continue;
        }
        let of = ClockKey::of(rollout);
        let signal = Signal {
            release: of.release,
            kind: SignalKind::Elapsed { of, time },
        };
        if let Err(error) = advance(&handle, name, signal).await {
            tracing::warn!(service = %name, %error, "the time that its release has counted since the last minute was not stored");
        }
    }
}

/// Time ends the phase, and counts in it.
fn counts(rollout: &Rollout) -> bool {
    rollout.clock.is_running()
        && rollout.phase != RolloutPhase::Paused
        && rollout.pushed.is_none()
        && !rollout.is_over()
}

/// Why no time counts with the proxies that are there; None: at least half of them are.
fn absent(presence: &Presence) -> Option<String> {
    let there = presence.connected();
    match presence.all().len() {
        0 => Some("no proxy is connected".to_owned()),
        all if 2 * there < all || there == 0 => {
            Some(format!("{there} of {all} proxies are connected"))
        }
        _ => None,
    }
}
