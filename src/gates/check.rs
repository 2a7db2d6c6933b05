//! What every check is: something that can be asked for a measurement, again and again.

use async_trait::async_trait;

use super::Context;
use crate::model::check::Measurement;

/// A gate or a monitor.
///
/// A measurement is one future: dropped, it stops, and leaves no task behind. That is how a check is cancelled, and how
/// its time limit is kept.
///
/// What the version itself does wrong (it does not answer, answers too late or wrong) is `Failed`. What keeps the
/// check from measuring (another system is down) is `Error`, which is tried again; and an answer that is neither yes nor
/// no (too few samples) is `Inconclusive`.
#[async_trait]
pub trait Check: Send + Sync {
    /// Measures once.
    async fn measure(&self, context: &Context) -> Measurement;

    /// What it waits for while it runs, where somebody has to know that.
    fn waits_for(&self, _context: &Context) -> String {
        String::new()
    }
}
