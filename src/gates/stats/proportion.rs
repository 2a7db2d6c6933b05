//! Shares of successes: their intervals, their difference, and whether one is worse than another.

use statrs::distribution::{ContinuousCDF, Discrete, Hypergeometric, Normal};

use super::Interval;

/// Below this expected count the normal approximation of a 2x2 table is not to be trusted (Cochran, 1954).
const MIN_EXPECTED: f64 = 5.0;

/// So many successes of so many samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// At most [`Proportion::samples`].
    pub successes: u64,
    /// In all.
    pub samples: u64,
}

impl Proportion {
    /// The share of successes; None without samples.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.samples > 0).then(|| self.successes as f64 / self.samples as f64)
    }

    fn failures(self) -> u64 {
        self.samples.saturating_sub(self.successes)
    }
}

/// Wilson's score interval of a share; `confidence` between 0 and 1. None without samples.
#[must_use]
pub fn wilson(of: Proportion, confidence: f64) -> Option<Interval> {
    let share = of.share()?;
    let samples = of.samples as f64;
    let z = Normal::standard().inverse_cdf((1.0 + confidence) / 2.0);
    let middle = share + z * z / (2.0 * samples);
    let reach = z * (share * (1.0 - share) / samples + z * z / (4.0 * samples * samples)).sqrt();
    let scale = 1.0 + z * z / samples;
    Some(Interval {
        low: ((middle - reach) / scale).max(0.0),
        high: ((middle + reach) / scale).min(1.0),
    })
}

/// Newcombe's hybrid score interval (1998, method 10) of `one` less `other`. None without samples.
#[must_use]
pub fn difference(one: Proportion, other: Proportion, confidence: f64) -> Option<Interval> {
    let (p, q) = (one.share()?, other.share()?);
    let (of_p, of_q) = (wilson(one, confidence)?, wilson(other, confidence)?);
    Some(Interval {
        low: p - q - (p - of_p.low).hypot(of_q.high - q),
        high: p - q + (of_p.high - p).hypot(q - of_q.low),
    })
}

/// How likely a share at least so far below the other's would be, if it were in truth not lower by more than `margin`.
///
/// Farrington and Manning's score test (1990); without a margin that is the pooled z-test, and where a count is
/// too small for it, Fisher's exact test, one-sided. None without samples.
#[must_use]
pub fn not_worse(one: Proportion, other: Proportion, margin: f64) -> Option<f64> {
    let (p, q) = (one.share()?, other.share()?);
    if margin == 0.0 && smallest_expected(one, other) < MIN_EXPECTED {
        return fisher(one, other);
    }
    let (n, m) = (one.samples as f64, other.samples as f64);
    let (low, high) = constrained(one, other, margin);
    let deviation = (low * (1.0 - low) / n + high * (1.0 - high) / m).sqrt();
    let distance = p - q + margin;
    if deviation == 0.0 {
        // All succeeded, or all failed, on both sides: nothing speaks against it.
        return Some(if distance < 0.0 { 0.0 } else { 1.0 });
    }
    Some(Normal::standard().cdf(distance / deviation))
}

/// The smallest count that the four cells would have, if both shares were the same.
fn smallest_expected(one: Proportion, other: Proportion) -> f64 {
    let rarer = (one.failures() + other.failures()).min(one.successes + other.successes) as f64;
    let fewer = one.samples.min(other.samples) as f64;
    rarer * fewer / (one.samples + other.samples) as f64
}

/// The likeliest two shares of which the first is lower by exactly `margin`: the root of a cubic, as in the paper.
fn constrained(one: Proportion, other: Proportion, margin: f64) -> (f64, f64) {
    let theta = other.samples as f64 / one.samples as f64;
    let p = one.successes as f64 / one.samples as f64;
    let q = other.successes as f64 / other.samples as f64;
    let a = 1.0 + theta;
    let b = -(1.0 + theta + p + theta * q - margin * (theta + 2.0));
    let c = margin * margin - margin * (2.0 * p + theta + 1.0) + p + theta * q;
    let d = p * margin * (1.0 - margin);
    let third = b / (3.0 * a);
    let v = third.powi(3) - b * c / (6.0 * a * a) + d / (2.0 * a);
    let u = (third * third - c / (3.0 * a)).max(0.0).sqrt().copysign(v);
    let w = if u == 0.0 {
        std::f64::consts::FRAC_PI_3
    } else {
        (std::f64::consts::PI + (v / u.powi(3)).clamp(-1.0, 1.0).acos()) / 3.0
    };
    let low = (2.0 * u * w.cos() - third).clamp(0.0, 1.0 - margin);
    (low, low + margin)
}

/// One-sided: that `one` has so many failures or more, with what both have in all given.
fn fisher(one: Proportion, other: Proportion) -> Option<f64> {
    let failures = one.failures() + other.failures();
    let samples = one.samples + other.samples;
    let spread = Hypergeometric::new(samples, failures, one.samples).ok()?;
    let most = failures.min(one.samples);
    let mut sum = 0.0;
    for count in one.failures()..=most {
        // By logarithms: the plain product overflows at a few hundred requests.
        let part = spread.ln_pmf(count).exp();
        sum += part;
        // Past the peak terms only shrink: what is left is less than a rounding error. A thousand proxies' requests are
        // not added up one by one.
        if count as f64 > one.samples as f64 * failures as f64 / samples as f64
            && part < sum * f64::EPSILON
        {
            break;
        }
    }
    Some(sum.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(successes: u64, samples: u64) -> Proportion {
        Proportion { successes, samples }
    }

    #[test]
    fn nothing_is_said_without_samples() {
        assert_eq!(wilson(of(0, 0), 0.95), None);
        assert_eq!(difference(of(0, 0), of(1, 2), 0.95), None);
        assert_eq!(not_worse(of(1, 2), of(0, 0), 0.0), None);
    }

    #[test]
    fn equal_shares_are_not_worse() {
        assert_eq!(not_worse(of(1000, 1000), of(1000, 1000), 0.0), Some(1.0));
        assert!(not_worse(of(990, 1000), of(990, 1000), 0.0).unwrap() >= 0.5);
        assert!(not_worse(of(0, 1000), of(0, 1000), 0.01).unwrap() > 0.5);
    }

    #[test]
    fn a_difference_within_the_margin_passes_where_without_margin_it_fails() {
        let (staged, live) = (of(98_500, 100_000), of(99_000, 100_000));
        assert!(not_worse(staged, live, 0.0).unwrap() < 1e-9);
        assert!(not_worse(staged, live, 0.01).unwrap() > 0.999);
    }

    #[test]
    fn a_few_failures_among_a_billion_are_counted_quickly_and_exactly() {
        // Five failures, all on the side that had half of the requests.
        let p = not_worse(
            of(999_999_995, 1_000_000_000),
            of(1_000_000_000, 1_000_000_000),
            0.0,
        );
        assert!((p.unwrap() - 1.0 / 32.0).abs() < 1e-5, "{p:?}");
    }

    #[test]
    fn everything_failed_on_one_side_only() {
        let p = not_worse(of(0, 500), of(500, 500), 0.0).unwrap();
        assert!(p < 1e-100, "{p}");
    }
}
