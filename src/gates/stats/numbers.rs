//! Numbers that were predicted: how far off they are; and quantiles.

/// Pairs of a true and a predicted number.
#[derive(Debug)]
pub struct Errors {
    /// Predicted less true, per sample.
    errors: Vec<f64>,
}

impl Errors {
    /// Of `(true, predicted)` pairs.
    pub fn new(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let errors = pairs
            .into_iter()
            .map(|(truth, predicted)| predicted - truth);
        Self {
            errors: errors.collect(),
        }
    }

    /// The mean absolute error, each sample counted as often as `drawn` says. None without samples.
    #[must_use]
    pub fn mae(&self, drawn: &[u32]) -> Option<f64> {
        self.mean(drawn, f64::abs)
    }

    /// The root of the mean squared error, each sample counted as often as `drawn` says. None without samples.
    #[must_use]
    pub fn rmse(&self, drawn: &[u32]) -> Option<f64> {
        self.mean(drawn, |error| error * error).map(f64::sqrt)
    }

    fn mean(&self, drawn: &[u32], of: impl Fn(f64) -> f64) -> Option<f64> {
        let times: u64 = drawn.iter().map(|times| u64::from(*times)).sum();
        let sum: f64 = self
            .errors
            .iter()
            .zip(drawn)
            .map(|(error, times)| of(*error) * f64::from(*times))
            .sum();
        (times > 0).then(|| sum / times as f64)
    }
}

/// The quantile of sorted values, between its two neighbours by a straight line (Hyndman and Fan's type 7, NumPy's
/// default). None without values.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    // At most `last`, since the share is at most 1.
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    let part = place - place.floor();
    let gap = sorted[above] - sorted[below];
    Some(match gap.is_finite() {
        true => sorted[below] + gap * part,
        // Further apart than a number can say.
        false => sorted[below] * (1.0 - part) + sorted[above] * part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_as_often_as_they_were_drawn() {
        let errors = Errors::new([(1.0, 2.0), (5.0, 2.0)]);
        assert_eq!(errors.mae(&[1, 1]), Some(2.0));
        assert_eq!(errors.rmse(&[0, 4]), Some(3.0));
        assert_eq!(errors.mae(&[0, 0]), None);
    }

    #[test]
    fn quantiles_lie_on_lines_between_values() {
        let values = [1.0, 2.0, 4.0];
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 0.75), Some(3.0));
        assert_eq!(quantile(&values, 1.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
