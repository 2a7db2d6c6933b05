//! ROC AUC: how well scores put the positive samples above the negative ones.

/// Scores of positive and negative samples, ready to be asked for their AUC again and again.
#[derive(Debug)]
pub struct Ranking {
    /// Samples with their label, from the lowest score to the highest, in groups of equal scores.
    groups: Vec<Vec<(usize, bool)>>,
}

impl Ranking {
    /// Of `(score, positive)` pairs. None if a score is no number: it has no rank.
    pub fn new(samples: impl IntoIterator<Item = (f64, bool)>) -> Option<Self> {
        let mut samples: Vec<(f64, usize, bool)> = samples
            .into_iter()
            .enumerate()
            .map(|(index, (score, positive))| (score, index, positive))
            .collect();
        if samples.iter().any(|(score, ..)| score.is_nan()) {
            return None;
        }
        samples.sort_by(|one, other| one.0.total_cmp(&other.0));
        let groups = samples
            // -0.0 sorts before 0.0 and is equal to it.
            .chunk_by(|one, other| one.0 == other.0)
            .map(|group| {
                let members = group.iter().map(|(_, index, positive)| (*index, *positive));
                members.collect()
            })
            .collect();
        Some(Self { groups })
    }

    /// The area under the ROC curve, each sample counted as often as `drawn` says: the share of pairs of a positive and a
    /// negative sample in which the positive one has the higher score; a tie counts half. None if one kind is missing.
    #[must_use]
    pub fn auc(&self, drawn: &[u32]) -> Option<f64> {
        let (mut positives, mut negatives, mut above) = (0.0, 0.0, 0.0);
        for group in &self.groups {
            let (mut positive, mut negative) = (0_u64, 0_u64);
            for (index, is_positive) in group {
                let times = u64::from(drawn[*index]);
                if *is_positive {
                    positive += times;
                } else {
                    negative += times;
                }
            }
            above += positive as f64 * (negatives + negative as f64 / 2.0);
            positives += positive as f64;
            negatives += negative as f64;
        }
        let pairs = positives * negatives;
        (pairs > 0.0).then(|| above / pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auc(samples: &[(f64, bool)]) -> Option<f64> {
        Ranking::new(samples.iter().copied())?.auc(&vec![1; samples.len()])
    }

    #[test]
    fn order_counts_and_ties_count_half() {
        assert_eq!(auc(&[(0.1, false), (0.9, true)]), Some(1.0));
        assert_eq!(auc(&[(0.9, false), (0.1, true)]), Some(0.0));
        assert_eq!(auc(&[(0.5, false), (0.5, true)]), Some(0.5));
        assert_eq!(auc(&[(0.0, false), (-0.0, true)]), Some(0.5));
        assert_eq!(
            auc(&[(0.2, false), (0.5, true), (0.5, false), (0.7, true)]),
            Some(0.875)
        );
    }

    #[test]
    fn one_kind_alone_has_no_area() {
        assert_eq!(auc(&[(0.1, true), (0.9, true)]), None);
        assert_eq!(auc(&[]), None);
        assert_eq!(auc(&[(f64::NAN, true), (0.9, false)]), None);
    }
}
