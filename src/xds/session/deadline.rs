//! Adds a wait to a time, without overflow.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The time that much later.
pub(super) fn later(at: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}
