//! Predicted classes against true ones: accuracy, precision, recall, F1.

/// True and predicted classes, as numbers from 0.
#[derive(Debug)]
pub struct Classes {
    pairs: Vec<(usize, usize)>,
    count: usize,
    positive: Option<usize>,
}

/// How often one class was true, predicted, and both.
#[derive(Clone, Copy, Default)]
struct Counts {
    truth: u64,
    predicted: u64,
    both: u64,
}

impl Classes {
    /// Of `(true, predicted)` pairs. With `positive`, precision, recall and F1 are of that class; without, they are the
    /// plain mean over all classes that occur ("macro").
    pub fn new(pairs: impl IntoIterator<Item = (usize, usize)>, positive: Option<usize>) -> Self {
        let pairs: Vec<(usize, usize)> = pairs.into_iter().collect();
        let highest = pairs
            .iter()
            .map(|(truth, predicted)| *truth.max(predicted))
            .chain(positive)
            .max();
        Self {
            pairs,
            count: highest.map_or(0, |highest| highest + 1),
            positive,
        }
    }

    /// The share of right predictions, each sample counted as often as `drawn` says. None without samples.
    #[must_use]
    pub fn accuracy(&self, drawn: &[u32]) -> Option<f64> {
        let (mut right, mut all) = (0_u64, 0_u64);
        for ((truth, predicted), times) in self.pairs.iter().zip(drawn) {
            let times = u64::from(*times);
            all += times;
            if truth == predicted {
                right += times;
            }
        }
        (all > 0).then(|| right as f64 / all as f64)
    }

    /// The share of the predicted that is true; 0 where nothing was predicted.
    #[must_use]
    pub fn precision(&self, drawn: &[u32]) -> Option<f64> {
        self.per_class(drawn, |counts| share(counts.both, counts.predicted))
    }

    /// The share of the true that was predicted.
    #[must_use]
    pub fn recall(&self, drawn: &[u32]) -> Option<f64> {
        self.per_class(drawn, |counts| share(counts.both, counts.truth))
    }

    /// The harmonic mean of precision and recall.
    #[must_use]
    pub fn f1(&self, drawn: &[u32]) -> Option<f64> {
        self.per_class(drawn, |counts| {
            share(2 * counts.both, counts.truth + counts.predicted)
        })
    }

    /// The positive class's value (None if it is never true: nothing can be said of it then), or the mean over classes.
    fn per_class(&self, drawn: &[u32], value: impl Fn(&Counts) -> f64) -> Option<f64> {
        let counts = self.counts(drawn);
        if let Some(positive) = self.positive {
            let counts = counts.get(positive)?;
            return (counts.truth > 0).then(|| value(counts));
        }
        let occurring = counts
            .iter()
            .filter(|counts| counts.truth + counts.predicted > 0);
        let (mut sum, mut classes) = (0.0, 0_u32);
        for counts in occurring {
            sum += value(counts);
            classes += 1;
        }
        (classes > 0).then(|| sum / f64::from(classes))
    }

    fn counts(&self, drawn: &[u32]) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.count];
        for ((truth, predicted), times) in self.pairs.iter().zip(drawn) {
            let times = u64::from(*times);
            counts[*truth].truth += times;
            counts[*predicted].predicted += times;
            if truth == predicted {
                counts[*truth].both += times;
            }
        }
        counts
    }
}

/// 0 of 0 is 0, as in scikit-learn (`zero_division=0`): a model that never predicts a class is not precise about it.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: [u32; 4] = [1; 4];

    #[test]
    fn one_class_against_the_rest() {
        let classes = Classes::new([(1, 1), (1, 0), (0, 1), (0, 0)], Some(1));
        assert_eq!(classes.accuracy(&ONCE), Some(0.5));
        assert_eq!(classes.precision(&ONCE), Some(0.5));
        assert_eq!(classes.recall(&[3, 1, 0, 0]), Some(0.75));
        assert_eq!(classes.f1(&[1, 0, 2, 0]), Some(0.5));
    }

    #[test]
    fn never_predicted_is_not_precise_and_never_true_is_unknown() {
        let timid = Classes::new([(1, 0), (0, 0), (0, 0), (0, 0)], Some(1));
        assert_eq!(timid.precision(&ONCE), Some(0.0));
        assert_eq!(timid.f1(&ONCE), Some(0.0));
        let absent = Classes::new([(0, 0), (0, 1), (0, 0), (0, 0)], Some(1));
        assert_eq!(absent.recall(&ONCE), None);
        assert_eq!(Classes::new([], None).accuracy(&[]), None);
    }

    #[test]
    fn without_a_positive_class_all_count_alike() {
        // Class 0: 2 of 3 found; class 1: 1 of 1.
        let classes = Classes::new([(0, 0), (0, 0), (0, 1), (1, 1)], None);
        assert_eq!(classes.recall(&ONCE), Some((2.0 / 3.0 + 1.0) / 2.0));
    }
}
