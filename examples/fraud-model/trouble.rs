//! Trouble on demand, to show what a release does about it: errors, and scores that drift.
//!
//! `POST /trouble` with `{"errors": 0.2, "drift": 0.3}` answers a fifth of the transactions with 500 and adds 0.3 to each
//! score; `{}` ends it.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

/// What is wrong with the model server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wrong {
    /// The share of transactions that is answered with 500, 0 to 1.
    pub errors: f64,
    /// Added to every score.
    pub drift: f64,
}

/// The trouble that a server is in.
#[derive(Default)]
pub struct Trouble {
    wrong: Mutex<Wrong>,
    requests: AtomicU64,
}

impl Trouble {
    /// From now on it is so.
    pub fn set(&self, wrong: Wrong) {
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = wrong;
    }

    /// Whether this request fails. The failures are spread evenly, so that a share is one from the first request on.
    pub fn fails(&self) -> bool {
        let errors = self.now().errors.clamp(0.0, 1.0);
        let request = self.requests.fetch_add(1, Ordering::Relaxed) as f64;
        ((request + 1.0) * errors).floor() > (request * errors).floor()
    }

    /// A score as it is told.
    pub fn bent(&self, score: f64) -> f64 {
        let drift = self.now().drift;
        if drift == 0.0 {
            return score;
        }
        (score + drift).clamp(0.0, 1.0)
    }

    fn now(&self) -> Wrong {
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_requests_fails_and_scores_drift_until_it_is_over() {
        let trouble = Trouble::default();
        assert!((0..100).all(|_| !trouble.fails()));
        trouble.set(Wrong {
            errors: 0.2,
            drift: 0.3,
        });
        assert_eq!((0..1_000).filter(|_| trouble.fails()).count(), 200);
        assert_eq!((trouble.bent(0.5), trouble.bent(0.9)), (0.8, 1.0));
        trouble.set(Wrong::default());
        assert!((0..100).all(|_| !trouble.fails()));
        assert_eq!(trouble.bent(0.5), 0.5);
    }
}
