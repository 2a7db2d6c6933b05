//! What would be said many times a second is said once a minute.

use std::time::Duration;

use tokio::time::Instant;

/// Between two lines about the same thing, for as long as it lasts.
const BETWEEN: Duration = Duration::from_secs(60);

/// When it was said last.
#[derive(Debug, Default)]
pub struct Seldom(Option<Instant>);

impl Seldom {
    /// Whether it is to be said now.
    pub fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.0.is_none_or(|said| now >= said + BETWEEN);
        if due {
            self.0 = Some(now);
        }
        due
    }
}
