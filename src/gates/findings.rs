//! What one measurement found, piece by piece: the worst piece decides, and the pieces that do are the message.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::model::check::{Measurement, Phase};

/// The pieces of one measurement.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pieces: Vec<(Phase, String)>,
    values: BTreeMap<String, f64>,
    details: Option<Value>,
}

impl Findings {
    /// A piece: what was looked at, what was found, what was wanted.
    pub(super) fn add(&mut self, phase: Phase, text: impl Into<String>) {
        self.pieces.push((phase, text.into()));
    }

    /// A number. None, or one that is not finite, is not kept: the message must say it.
    pub(super) fn value(&mut self, name: impl Into<String>, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.values.insert(name.into(), value);
        }
    }

    /// More to read.
    pub(super) fn details(&mut self, details: Value) {
        self.details = Some(details);
    }

    /// How the whole ended.
    pub(super) fn phase(&self) -> Phase {
        Phase::of_all(self.pieces.iter().map(|(phase, _)| *phase))
    }

    /// The pieces that made it end so.
    pub(super) fn message(&self) -> String {
        let worst = self.phase();
        let texts: Vec<&str> = self
            .pieces
            .iter()
            .filter(|(phase, _)| *phase == worst)
            .map(|(_, text)| text.as_str())
            .collect();
        texts.join("; ")
    }

    /// The measurement.
    pub(super) fn at(self, at: Timestamp) -> Measurement {
        let mut measurement = Measurement::new(at, self.phase(), self.message());
        for (name, value) in self.values {
            measurement = measurement.with(name, value);
        }
        match self.details {
            Some(details) => measurement.with_details(details),
            None => measurement,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_piece_decides_and_is_told() {
        let mut findings = Findings::default();
        findings.add(Phase::Successful, "accuracy 0.97");
        assert_eq!(findings.message(), "accuracy 0.97");
        findings.add(Phase::Inconclusive, "f1: too few samples");
        findings.add(Phase::Failed, "recall 0.2, wanted 0.5");
        findings.add(Phase::Failed, "auc 0.4, wanted 0.8");
        findings.value("recall", 0.2);
        findings.value("nothing", None);
        findings.value("infinite", f64::INFINITY);
        let measurement = findings.at(Timestamp::UNIX_EPOCH);
        assert_eq!(measurement.phase, Phase::Failed);
        assert_eq!(
            measurement.message,
            "recall 0.2, wanted 0.5; auc 0.4, wanted 0.8"
        );
        assert_eq!(
            measurement.values,
            BTreeMap::from([("recall".to_owned(), 0.2)])
        );
    }
}
