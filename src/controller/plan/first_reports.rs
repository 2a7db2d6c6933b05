//! How long a server that has just started waits to hear what is open.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Until when proxies are waited for that have not reported yet.
#[derive(Clone, Copy)]
pub(in crate::controller) struct FirstReports {
    /// When the server started: it knows what was reported to itself only.
    pub started: Timestamp,
    /// The time of day.
    pub now: Timestamp,
    /// Who is there for so long and has not reported does not report: its bootstrap asks for none.
    pub within: Duration,
}

impl FirstReports {
    /// Whether a proxy may still report for the first time that is connected since then. A time that is far ahead is from before
    /// the clock was set back, which is no reason to wait until it comes again.
    pub fn waits_for(&self, connected_since: Timestamp) -> bool {
        let within = SignedDuration::try_from(self.within).unwrap_or(SignedDuration::MAX);
        self.now.duration_since(connected_since).abs() < within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_does_not_prolong_the_wait() {
        let started = Timestamp::UNIX_EPOCH;
        let after = |passed: SignedDuration| FirstReports {
            started,
            now: started + passed,
            within: Duration::from_secs(40),
        };
        assert!(after(SignedDuration::from_secs(39)).waits_for(started));
        assert!(!after(SignedDuration::from_secs(40)).waits_for(started));
        assert!(!after(SignedDuration::from_hours(-3)).waits_for(started));
    }
}
