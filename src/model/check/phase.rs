//! The phases of a check and of an analysis, in Argo Rollouts' words.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a measurement, a check or a whole analysis is, and how it ended.
///
/// The words and their meaning are those of Argo Rollouts' `AnalysisPhase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Not begun: it waits for the check that it comes `after`.
    #[default]
    Pending,
    /// Begun and not ended. It never counts as passed.
    Running,
    /// It ended, and what was asked for holds.
    Successful,
    /// It ended, and what was asked for does not hold.
    Failed,
    /// It could not be measured: no answer, no connection, an answer that can't be read.
    Error,
    /// It was measured, and the answer is neither yes nor no: too few samples, no data, two conditions that both say no.
    Inconclusive,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 6] = [
        Phase::Pending,
        Phase::Running,
        Phase::Successful,
        Phase::Failed,
        Phase::Error,
        Phase::Inconclusive,
    ];

    /// As it is shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Successful => "Successful",
            Phase::Failed => "Failed",
            Phase::Error => "Error",
            Phase::Inconclusive => "Inconclusive",
        }
    }

    /// Nothing more will come of it.
    pub fn is_completed(self) -> bool {
        !matches!(self, Phase::Pending | Phase::Running)
    }

    /// The phase of a whole: the worst of its parts, in Argo Rollouts' order (`utils/analysis`, `Worst`), while all
    /// of them have ended; else Running, or Pending while none has begun.
    ///
    /// Nothing at all is Successful: who declares no checks wants none.
    pub fn of_all(parts: impl IntoIterator<Item = Phase>) -> Phase {
        let mut worst = Phase::Successful;
        let (mut open, mut begun) = (false, false);
        for part in parts {
            open |= !part.is_completed();
            begun |= part != Phase::Pending;
            if part.badness() > worst.badness() {
                worst = part;
            }
        }
        match (open, begun) {
            (true, true) => Phase::Running,
            (true, false) => Phase::Pending,
            (false, _) => worst,
        }
    }

    fn badness(self) -> u8 {
        match self {
            Phase::Successful => 0,
            Phase::Running => 1,
            Phase::Pending => 2,
            Phase::Inconclusive => 3,
            Phase::Error => 4,
            Phase::Failed => 5,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_is_as_bad_as_its_worst_part() {
        use Phase::*;
        assert_eq!(Phase::of_all([]), Successful);
        assert_eq!(Phase::of_all([Successful, Inconclusive]), Inconclusive);
        assert_eq!(Phase::of_all([Error, Inconclusive, Successful]), Error);
        assert_eq!(Phase::of_all([Error, Failed]), Failed);
    }

    #[test]
    fn what_still_runs_never_counts_as_passed() {
        use Phase::*;
        assert_eq!(Phase::of_all([Pending, Pending]), Pending);
        assert_eq!(Phase::of_all([Pending, Successful]), Running);
        for other in Phase::ALL {
            assert!(!Phase::of_all([Running, other]).is_completed(), "{other}");
            assert!(!Phase::of_all([other, Pending]).is_completed(), "{other}");
        }
    }

    #[test]
    fn phases_are_stored_in_argos_words() {
        for phase in Phase::ALL {
            let text = serde_json::to_string(&phase).unwrap();
            assert_eq!(text, format!("\"{phase}\""));
        }
    }
}
