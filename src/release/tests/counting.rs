//! Time that was counted is stored once, and for the phase that it was counted in.

use std::time::Duration;

use super::{
    Story,
    lifecycle::{release, usual, with},
    switch,
};
use crate::{
    model::check::Phase,
    release::{ClockKey, Event, RolloutPhase, SignalKind},
};

impl Story {
    /// So many minutes have counted.
    pub(super) fn minutes(&self, minutes: u64) -> Event {
        let of = ClockKey::of(self.rollout());
        let time = Duration::from_secs(60 * minutes);
        self.news(SignalKind::Elapsed { of, time })
    }

    pub(super) fn after(self, minutes: u64) -> Self {
        let event = self.minutes(minutes);
        self.then(event)
    }
}

#[test]
fn time_that_is_told_twice_is_stored_once() {
    let baking = with(usual())
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .analysed(Phase::Successful)
        .then(switch(None))
        .delivered();
    assert_eq!(baking.phase(), RolloutPhase::Baking);
    let begun = ClockKey::of(baking.rollout());
    let minute = baking.minutes(1);
    let later = baking.then(minute.clone());
    assert_eq!(later.rollout().clock.elapsed_ms, 60_000);

    assert!(!later.would(&minute).unwrap().changed);
    let later = later.after(1);
    assert_eq!(later.rollout().clock.elapsed_ms, 120_000);

    // The bake's last minute is over, and nothing of the standby's time is stored yet, as nothing was of the bake's at first.
    let standby = later.after(30).analysed(Phase::Successful);
    assert_eq!(standby.phase(), RolloutPhase::Standby);
    assert_eq!(standby.rollout().clock.elapsed_ms, begun.stored_ms);
    assert!(!standby.would(&minute).unwrap().changed);
}
