//! When a check has ended, and how: Argo Rollouts' rules for counts and limits.

use jiff::Timestamp;

use super::{CheckResult, Measurement, Phase};

/// How much may go wrong, and when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many measurements (errors don't count) make it Successful. None: only the end of the run does.
    pub count: Option<u32>,
    /// More failed ones make it Failed.
    pub failure: u32,
    /// More inconclusive ones make it Inconclusive.
    pub inconclusive: u32,
    /// More errors in a row make it Error.
    pub consecutive_errors: u32,
}

impl CheckResult {
    /// Takes in a measurement, and ends the check if a limit is crossed or the count reached.
    ///
    /// The order of the rules is that of Argo Rollouts' `assessMetricStatus`: failed, inconclusive, errors, count. Unlike there, what has
    /// said neither yes nor no has not passed, whatever the limits are.
    pub fn record(&mut self, measurement: Measurement, limits: Limits) {
        if self.phase.is_completed() {
            return;
        }
        self.phase = Phase::Running;
        self.started_at.get_or_insert(measurement.at);
        let tally = &mut self.tally;
        let counter = match measurement.phase {
            Phase::Successful => &mut tally.successful,
            Phase::Failed => &mut tally.failed,
            Phase::Inconclusive => &mut tally.inconclusive,
            // A check that returns without an answer has measured nothing.
            Phase::Error | Phase::Pending | Phase::Running => &mut tally.errors,
        };
        *counter = counter.saturating_add(1);
        tally.consecutive_errors = match measurement.phase {
            Phase::Error | Phase::Pending | Phase::Running => {
                tally.consecutive_errors.saturating_add(1)
            }
            _ => 0,
        };
        let (at, message) = (measurement.at, measurement.message.clone());
        self.keep(measurement);
        if let Some((phase, why)) = self.verdict(limits, &message) {
            self.end(at, phase, why);
        }
    }

    /// Ends a check whose run is over in good order, e.g. a monitor at the end of the bake. It is Successful if it has
    /// measured, kept to its limits and was to go on for ever; and Inconclusive if it has not done what it was to do. One that has
    /// said neither yes nor no is what `undecided_passes` says.
    pub fn finish(&mut self, at: Timestamp, limits: Limits, undecided_passes: bool) {
        let measured = self.tally.counted();
        match limits.count {
            _ if measured == 0 => {
                self.end(
                    at,
                    Phase::Inconclusive,
                    "it ended before anything was measured",
                );
            }
            _ if self.tally.is_undecided() && !undecided_passes => {
                let last = self.measurements.last();
                let last = last.map_or_else(String::new, |it| it.message.clone());
                self.end(at, Phase::Inconclusive, self.undecided(&last));
            }
            Some(count) if measured < count => {
                let why = format!("it ended after {measured} of {count} measurements");
                self.end(at, Phase::Inconclusive, why);
            }
            _ => {
                let why = self.summary();
                self.end(at, Phase::Successful, why);
            }
        }
    }

    fn verdict(&self, limits: Limits, last: &str) -> Option<(Phase, String)> {
        let tally = &self.tally;
        let over = |number: u32, what: &str, limit: u32| match limit {
            0 => last.to_owned(),
            _ => format!("{number} {what}, more than {limit}; the last: {last}"),
        };
        if tally.failed > limits.failure {
            let why = over(tally.failed, "measurements failed", limits.failure);
            return Some((Phase::Failed, why));
        }
        if tally.inconclusive > limits.inconclusive {
            let what = "measurements were inconclusive";
            let why = over(tally.inconclusive, what, limits.inconclusive);
            return Some((Phase::Inconclusive, why));
        }
        if tally.consecutive_errors > limits.consecutive_errors {
            let what = "errors in a row";
            let why = over(tally.consecutive_errors, what, limits.consecutive_errors);
            return Some((Phase::Error, why));
        }
        let done = limits.count.is_some_and(|count| tally.counted() >= count);
        done.then(|| match tally.is_undecided() {
            true => (Phase::Inconclusive, self.undecided(last)),
            false => (Phase::Successful, self.summary()),
        })
    }

    /// What is within its limits, and yet nothing to go by.
    fn undecided(&self, last: &str) -> String {
        match self.tally.inconclusive {
            1 => last.to_owned(),
            many => format!("{many} measurements, and none that says yes or no; the last: {last}"),
        }
    }

    fn summary(&self) -> String {
        match self.measurements.as_slice() {
            [only] => only.message.clone(),
            _ => {
                let tally = &self.tally;
                let mut parts = vec![format!("{} successful", tally.successful)];
                for (number, what) in [
                    (tally.failed, "failed"),
                    (tally.inconclusive, "inconclusive"),
                    (tally.errors, "errors"),
                ] {
                    if number > 0 {
                        parts.push(format!("{number} {what}"));
                    }
                }
                parts.join(", ")
            }
        }
    }
}
