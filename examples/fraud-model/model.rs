//! The model: a logistic regression over a handful of features of one card transaction.
//!
//! Small enough to read, and real: two versions of its weights disagree about some transactions, which is what a
//! release of a model is about.

use std::{fs, io, path::Path, path::PathBuf};

use serde::{Deserialize, Serialize};

/// One card transaction, as a client posts it to `/score`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// Amount in the account's currency.
    pub amount: f64,
    /// Whether card and merchant are in different countries.
    pub foreign: bool,
    /// Local hour of the day, 0 to 23.
    pub hour: u8,
    /// The merchant's share of disputed payments, 0 to 1.
    pub merchant_risk: f64,
    /// Payments with this card in the hour before.
    pub last_hour: u32,
    /// Days since the card was issued.
    pub card_age_days: u32,
}

/// What a client gets back.
#[derive(Debug, PartialEq, Serialize)]
pub struct Answer<'a> {
    /// The version of the model that answered.
    pub version: &'a str,
    /// The probability of fraud, 0 to 1.
    pub score: f64,
    /// What to do about it.
    pub decision: Decision,
}

/// The decision that follows from a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let it through.
    Approve,
    /// A person looks at it.
    Review,
    /// Stop it.
    Decline,
}

/// One version of the model: what a weights file holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The version that answers carry, as `v1.2`.
    pub version: String,
    bias: f64,
    amount: f64,
    foreign: f64,
    night: f64,
    merchant_risk: f64,
    velocity: f64,
    card_age: f64,
    /// Scores from here on are reviewed.
    review: f64,
    /// Scores from here on are declined.
    decline: f64,
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read the weights {path}: pass --weights with a file such as weights/v1.2.json")]
    Read { path: PathBuf, source: io::Error },
    /// The file is not a set of weights.
    #[error("{path} is not a set of weights: compare it with weights/v1.2.json")]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
}

impl Model {
    /// Reads the weights of one version.
    ///
    /// # Errors
    /// If the file cannot be read, or is no set of weights.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = fs::read(path).map_err(|source| LoadError::Read {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_slice(&text).map_err(|source| LoadError::Parse {
            path: path.to_owned(),
            source,
        })
    }

    /// Scores one transaction.
    #[must_use]
    pub fn score(&self, transaction: &Transaction) -> Answer<'_> {
        // Counts and amounts go in as logarithms: the tenth payment of an hour tells more than the hundredth.
        let linear = self.bias
            + self.amount * transaction.amount.max(0.0).ln_1p() / std::f64::consts::LN_10
            + self.foreign * f64::from(transaction.foreign)
            + self.night * f64::from(transaction.hour < 6)
            + self.merchant_risk * transaction.merchant_risk.clamp(0.0, 1.0)
            + self.velocity * f64::from(transaction.last_hour).ln_1p()
            + self.card_age * f64::from(transaction.card_age_days).ln_1p()
                / std::f64::consts::LN_10;
        let score = 1.0 / (1.0 + (-linear).exp());
        let decision = if score >= self.decline {
            Decision::Decline
        } else if score >= self.review {
            Decision::Review
        } else {
            Decision::Approve
        };
        Answer {
            version: &self.version,
            score: (score * 10_000.0).round() / 10_000.0,
            decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> Model {
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/fraud-model/weights");
        Model::load(&weights.join(name)).unwrap()
    }

    fn groceries() -> Transaction {
        Transaction {
            amount: 43.20,
            foreign: false,
            hour: 17,
            merchant_risk: 0.01,
            last_hour: 0,
            card_age_days: 900,
        }
    }

    fn burst_abroad() -> Transaction {
        Transaction {
            amount: 900.0,
            foreign: true,
            hour: 3,
            merchant_risk: 0.4,
            last_hour: 6,
            card_age_days: 20,
        }
    }

    #[test]
    fn every_version_lets_groceries_through() {
        for name in ["v1.2.json", "v1.3.json", "v1.3.1.json", "v1.3.2.json"] {
            assert_eq!(
                version(name).score(&groceries()).decision,
                Decision::Approve,
                "{name}"
            );
        }
    }

    #[test]
    fn versions_disagree_where_the_release_is_about() {
        let old = version("v1.2.json");
        let new = version("v1.3.json");
        assert_eq!(old.score(&burst_abroad()).decision, Decision::Review);
        assert_eq!(new.score(&burst_abroad()).decision, Decision::Decline);
    }
}
