//! How long a server that has just started waits to hear what is open.

use std::time::Duration;

use jiff::Timestamp;

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
