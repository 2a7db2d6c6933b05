//! What follows when a stream of news from the server is lost: it is asked for again.

use std::time::Duration;

use super::out::{self, WARN};

/// The pause before the server is asked again.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Says that the connection was lost, unless that was `said` already.
pub(super) fn say_once(said: &mut bool) {
    if !std::mem::replace(said, true) {
        out::say(
            WARN,
            "note",
            "the connection was lost; it is made again as soon as the server answers",
        );
    }
}
