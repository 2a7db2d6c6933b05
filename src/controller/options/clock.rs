//! The time of day, and one that goes steadily.

use std::{sync::Arc, time::Instant};

use jiff::{SignedDuration, Timestamp};

/// The time of day; injected, so that tests can set it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A clock that begins at that time and goes on steadily, whatever the system's clock is set to.
pub(in crate::controller) fn steady(from: Timestamp) -> impl Fn() -> Timestamp + Send + Sync {
    let began = Instant::now();
    move || {
        let elapsed = SignedDuration::try_from(began.elapsed()).unwrap_or_default();
        from.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}
