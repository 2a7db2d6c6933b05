//! What came of checks: every measurement, of every check, of one run. It is stored with the release.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{super::Name, Phase};
use crate::text::escaped;

/// The most measurements that a result keeps: a day at the usual interval of two minutes, and a bake of 30 minutes at
/// two seconds. Beyond it the oldest Successful ones go first.
pub const MAX_MEASUREMENTS: usize = 1_000;

/// The longest message, in characters: it is read on a terminal and in a change ticket.
pub const MAX_MESSAGE: usize = 2_000;

/// The most numbers of one measurement: eight metrics with both sides, difference and interval, and room.
pub const MAX_VALUES: usize = 64;

/// The longest details of one measurement, as JSON, in bytes: the answers to some hundred prompts, on both sides.
/// Results are stored in the fleet's state, so they must stay small beside the configuration.
pub const MAX_DETAILS: usize = 256 * 1024;

/// One answer of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// When it ended.
    pub at: Timestamp,
    /// What it says.
    pub phase: Phase,
    /// What a person needs to know: what was asked, what came, what was wanted. One line.
    pub message: String,
    /// The numbers, by name, e.g. `latency.p99` in seconds. Only finite ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// More to read: a diff, answers side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl Measurement {
    /// A measurement without numbers.
    pub fn new(at: Timestamp, phase: Phase, message: impl AsRef<str>) -> Self {
        Self {
            at,
            phase,
            message: escaped(message.as_ref(), MAX_MESSAGE),
            values: BTreeMap::new(),
            details: None,
        }
    }

    /// The same with one more number. A number that is not finite can't be stored and is left out: the message must
    /// say it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        if value.is_finite() && self.values.len() < MAX_VALUES {
            self.values.insert(name.into(), value);
        }
        self
    }

    /// The same with details. Details longer than [`MAX_DETAILS`] are left out, which is said in their place.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        let bytes = details.to_string().len();
        self.details = Some(if bytes <= MAX_DETAILS {
            details
        } else {
            Value::String(format!(
                "left out: {bytes} bytes are more than the {MAX_DETAILS} that are kept"
            ))
        });
        self
    }
}

/// How many measurements ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)] // Each is the number of measurements of that phase.
pub struct Tally {
    pub successful: u32,
    pub failed: u32,
    pub inconclusive: u32,
    pub errors: u32,
    /// Errors since the last measurement that was none.
    pub consecutive_errors: u32,
}

impl Tally {
    /// Those that count towards `count`: as in Argo Rollouts, errors don't.
    pub fn counted(&self) -> u32 {
        self.successful
            .saturating_add(self.failed)
            .saturating_add(self.inconclusive)
    }

    /// It was measured, and said neither yes nor no each time.
    pub fn is_undecided(&self) -> bool {
        self.inconclusive > 0 && self.successful == 0 && self.failed == 0
    }
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// The check's name.
    pub name: Name,
    /// Its kind, as it is written: `http`, `load`, …
    pub kind: String,
    /// How far it is, or how it ended.
    pub phase: Phase,
    /// Why it is in that phase. Empty while it only runs.
    pub message: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// All measurements, also those that are no longer kept.
    pub tally: Tally,
    /// The measurements, oldest first.
    pub measurements: Vec<Measurement>,
    /// Measurements that are no longer kept.
    #[serde(default)]
    pub dropped: u32,
}

impl CheckResult {
    /// Of a check that has not begun.
    pub fn pending(name: Name, kind: &str) -> Self {
        Self {
            name,
            kind: kind.to_owned(),
            phase: Phase::Pending,
            message: String::new(),
            started_at: None,
            ended_at: None,
            tally: Tally::default(),
            measurements: Vec::new(),
            dropped: 0,
        }
    }

    /// Why it is in its phase; while it only runs, what was measured last.
    pub fn told(&self) -> &str {
        match (self.message.as_str(), self.measurements.last()) {
            ("", Some(last)) => &last.message,
            (message, _) => message,
        }
    }

    /// Ends it, if it has not ended.
    pub fn end(&mut self, at: Timestamp, phase: Phase, message: impl AsRef<str>) {
        if !self.phase.is_completed() {
            self.phase = phase;
            self.message = escaped(message.as_ref(), MAX_MESSAGE);
            self.ended_at = Some(at);
        }
    }

    /// Keeps a measurement, and of earlier ones what still fits.
    pub(super) fn keep(&mut self, measurement: Measurement) {
        if measurement.details.is_some() {
            // Details are long. Those of the newest measurement stay, and of the newest that was not Successful.
            let kept = self
                .measurements
                .iter()
                .rposition(|it| it.phase != Phase::Successful)
                .filter(|_| measurement.phase == Phase::Successful);
            for (at, earlier) in self.measurements.iter_mut().enumerate() {
                if Some(at) != kept {
                    earlier.details = None;
                }
            }
        }
        self.measurements.push(measurement);
        if self.measurements.len() > MAX_MEASUREMENTS {
            let oldest = self
                .measurements
                .iter()
                .position(|it| it.phase == Phase::Successful)
                .unwrap_or(0);
            self.measurements.remove(oldest);
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

/// What came of the checks of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// How far it is, or how it ended. While a check still runs it is Running, however the others ended.
    pub phase: Phase,
    /// Why: the checks that were not Successful. Empty else.
    pub message: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The checks, in the order of their declaration.
    pub checks: Vec<Arc<CheckResult>>,
}

impl Analysis {
    /// Of checks that have not begun.
    pub fn pending(started_at: Timestamp, checks: Vec<CheckResult>) -> Self {
        Self {
            phase: Phase::of_all(checks.iter().map(|check| check.phase)),
            message: String::new(),
            started_at,
            ended_at: None,
            checks: checks.into_iter().map(Arc::new).collect(),
        }
    }

    /// The result of the check of that name.
    pub fn check(&self, name: &str) -> Option<&CheckResult> {
        let found = self.checks.iter().find(|check| check.name.as_str() == name);
        found.map(Arc::as_ref)
    }

    /// Ends what has not ended, for this reason: it is Inconclusive.
    pub fn stop(&mut self, now: Timestamp, why: &str) {
        for at in 0..self.checks.len() {
            let mut result = self.checks[at].as_ref().clone(); // proof: `update` changes no number of checks
            if !result.phase.is_completed() {
                result.end(now, Phase::Inconclusive, why);
                self.update(at, result, now);
            }
        }
    }

    /// Takes in what is new of one check; `now` ends the whole if that was the last.
    pub fn update(&mut self, at: usize, check: CheckResult, now: Timestamp) {
        if let Some(place) = self.checks.get_mut(at) {
            *place = Arc::new(check);
        }
        self.phase = Phase::of_all(self.checks.iter().map(|check| check.phase));
        let mut wrong: Vec<_> = self
            .checks
            .iter()
            .filter(|check| check.phase.is_completed() && check.phase != Phase::Successful)
            .collect();
        // What decided comes first: a reason is read at three in the morning, and cut where it is long.
        wrong.sort_by_key(|check| check.phase != self.phase);
        let wrong: Vec<_> = wrong
            .into_iter()
            .map(|check| format!("{} is {}: {}", check.name, check.phase, check.message))
            .collect();
        self.message = escaped(&wrong.join("; "), MAX_MESSAGE);
        if self.phase.is_completed() {
            self.ended_at.get_or_insert(now);
        }
    }
}

/// What a person said to a `manual` check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    /// The check.
    pub check: Name,
    /// Yes or no.
    pub verdict: Verdict,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// In the person's own words.
    pub reason: String,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Verdict {
    Approved,
    Rejected,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        })
    }
}
