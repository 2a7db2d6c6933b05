//! The time that counts: time in which the server ran and proxies reported, whatever any clock says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// More than this between two looks at a stopwatch does not count: the server was asleep, or the machine was.
pub const MAX_TICK: Duration = Duration::from_secs(5);

/// How long a phase lasts, and how much of that it has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseClock {
    /// Milliseconds that counted so far.
    pub elapsed_ms: u64,
    /// Milliseconds that it takes; 0: time ends nothing.
    pub limit_ms: u64,
}

impl PhaseClock {
    /// A phase that lasts so long.
    pub fn of(limit: Duration) -> Self {
        Self {
            elapsed_ms: 0,
            limit_ms: millis(limit),
        }
    }

    /// Its time is over, or it has none.
    pub fn is_over(self) -> bool {
        self.elapsed_ms >= self.limit_ms
    }

    /// Time ends this phase.
    pub fn is_running(self) -> bool {
        self.limit_ms > 0
    }

    /// What is left.
    pub fn left(self) -> Duration {
        Duration::from_millis(self.limit_ms.saturating_sub(self.elapsed_ms))
    }

    /// What it takes.
    pub fn limit(self) -> Duration {
        Duration::from_millis(self.limit_ms)
    }

    /// Adds time that counted. It never goes past its end, nor back.
    pub fn add(&mut self, elapsed: Duration) {
        let sum = self.elapsed_ms.saturating_add(millis(elapsed));
        self.elapsed_ms = sum.min(self.limit_ms).max(self.elapsed_ms);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Adds up the time that counts between two commits. It is fed with readings of a monotone clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopwatch {
    counted: Duration,
    last: Option<Duration>,
}

impl Stopwatch {
    /// Looks at the clock: `reading` is since any fixed moment. `counts` says whether the time since the last look
    /// counts; a first look counts nothing.
    pub fn look(&mut self, reading: Duration, counts: bool) {
        if let Some(last) = self.last
            && counts
        {
            self.counted += reading.saturating_sub(last).min(MAX_TICK);
        }
        self.last = Some(reading);
    }

    /// What has been counted.
    pub fn counted(&self) -> Duration {
        self.counted
    }

    /// Takes away what was stored.
    pub fn stored(&mut self, time: Duration) {
        self.counted = self.counted.saturating_sub(time);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// Whatever a clock reads, no look adds more than [`MAX_TICK`], none takes anything away, and what does not
        /// count adds nothing.
        #[test]
        fn a_clock_that_jumps_adds_no_more_than_a_tick(
            readings in vec((0u64..10_000_000, any::<bool>()), 1..50),
        ) {
            let mut watch = Stopwatch::default();
            for (at, (reading, counts)) in readings.iter().enumerate() {
                let before = watch.counted();
                watch.look(Duration::from_millis(*reading), *counts);
                let added = watch.counted() - before;
                prop_assert!(added <= MAX_TICK);
                prop_assert!(*counts && at > 0 || added.is_zero());
            }
        }

        #[test]
        fn a_phase_never_goes_back_and_never_past_its_end(
            limit in 0u64..100_000,
            parts in vec(0u64..50_000, 0..20),
        ) {
            let mut clock = PhaseClock::of(Duration::from_millis(limit));
            let mut sum = 0;
            for part in parts {
                clock.add(Duration::from_millis(part));
                sum += part;
                prop_assert_eq!(clock.elapsed_ms, sum.min(limit));
                prop_assert_eq!(clock.is_over(), sum >= limit);
            }
        }
    }
}
