//! What the model tells of itself: its latest inputs and scores as JSON lines, and each score in a header for the proxies.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use http::HeaderValue;
use serde_json::json;

use super::model::{Answer, Transaction};

/// So many samples are kept: some hundred kilobytes, and enough for any comparison of two versions.
const KEPT: usize = 2_000;

/// Scores are told in fifths, one metric each, so that whoever adds them up sees how they are spread.
const FIFTHS: [&str; 5] = ["score_1", "score_2", "score_3", "score_4", "score_5"];

/// The latest samples.
#[derive(Default)]
pub struct Recent(Mutex<VecDeque<String>>);

impl Recent {
    /// Keeps one more, and forgets the oldest beyond [`KEPT`].
    pub fn keep(&self, transaction: &Transaction, answer: &Answer) {
        let line = json!({
            "amount": transaction.amount,
            "foreign": transaction.foreign,
            "merchant_risk": transaction.merchant_risk,
            "score": answer.score,
            "decision": answer.decision,
        });
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() == KEPT {
            rows.pop_front();
        }
        rows.push_back(line.to_string());
    }

    /// All that are kept, oldest first, as JSON lines.
    pub fn lines(&self) -> String {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter()
            .fold(String::new(), |text, row| text + row + "\n")
    }
}

/// The score in the form in which Envoy takes a backend's own metrics (ORCA) and adds them to its load reports.
pub fn load_metrics(answer: &Answer) -> Option<HeaderValue> {
    let fifth = FIFTHS
        .iter()
        .zip(1_u8..)
        .find(|(_, upper)| answer.score < f64::from(*upper) / 5.0)
        .map_or(FIFTHS[4], |(name, _)| *name);
    let score = answer.score;
    let text = format!("TEXT named_metrics.fraud_score={score},named_metrics.{fifth}=1");
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::super::model::Decision;
    use super::*;

    fn answer(score: f64) -> Answer<'static> {
        Answer {
            version: "v1.2",
            score,
            decision: Decision::Approve,
        }
    }

    #[test]
    fn every_score_is_told_with_its_fifth() {
        for (score, expected) in [
            (
                0.0,
                "TEXT named_metrics.fraud_score=0,named_metrics.score_1=1",
            ),
            (
                0.2,
                "TEXT named_metrics.fraud_score=0.2,named_metrics.score_2=1",
            ),
            (
                1.0,
                "TEXT named_metrics.fraud_score=1,named_metrics.score_5=1",
            ),
        ] {
            assert_eq!(load_metrics(&answer(score)).unwrap(), expected);
        }
    }

    #[test]
    fn the_oldest_samples_are_forgotten() {
        let recent = Recent::default();
        let transaction = |amount| Transaction {
            amount,
            foreign: false,
            hour: 12,
            merchant_risk: 0.1,
            last_hour: 0,
            card_age_days: 100,
        };
        for at in 0..=KEPT {
            recent.keep(&transaction(at as f64), &answer(0.5));
        }
        let lines = recent.lines();
        assert_eq!(lines.lines().count(), KEPT);
        assert!(lines.starts_with(r#"{"amount":1.0,"#), "{}", &lines[..40]);
    }
}
