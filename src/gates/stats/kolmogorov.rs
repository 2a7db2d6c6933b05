//! Whether two samples of numbers come from one distribution: the Kolmogorov-Smirnov test.
//!
//! Own code: statrs 0.19 computes no exact p-value above 10,000 pairs, and does not return for two equal samples.

use std::f64::consts::PI;

use super::TestResult;

/// Up to so many pairs of samples (a thousand against a thousand) the exact distribution is computed, in some
/// milliseconds; above, the limiting one is as good for any threshold that one would set.
const MAX_EXACT_PAIRS: usize = 1_000_000;

/// Where the two series of the limiting distribution, one for small and one for large arguments, converge equally fast.
const SERIES_MEET: f64 = 1.18;

/// So many terms of either series are exact to the last digit on its side of [`SERIES_MEET`].
const TERMS: u32 = 6;

/// The two-sample test, two-sided. None if a sample is empty or holds what is no number.
///
/// Ties make the p-value too large rather than too small: the test is made for continuous numbers.
#[must_use]
pub fn kolmogorov_smirnov(one: &[f64], other: &[f64]) -> Option<TestResult> {
    if one.is_empty() || other.is_empty() || one.iter().chain(other).any(|value| value.is_nan()) {
        return None;
    }
    let distance = distance(&sorted(one), &sorted(other));
    let (n, m) = (one.len() as f64, other.len() as f64);
    let statistic = distance as f64 / (n * m);
    let p_value = if one.len().saturating_mul(other.len()) <= MAX_EXACT_PAIRS {
        exact(distance, one.len(), other.len())
    } else {
        limiting(statistic * (n * m / (n + m)).sqrt())
    };
    Some(TestResult { statistic, p_value })
}

fn sorted(sample: &[f64]) -> Vec<f64> {
    // -0.0 and 0.0 are one value.
    let mut values: Vec<f64> = sample.iter().map(|value| value + 0.0).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The largest distance of the two step functions, times both sizes: a whole number, so that no rounding decides.
fn distance(one: &[f64], other: &[f64]) -> u128 {
    let (mut i, mut j, mut largest) = (0, 0, 0);
    while i < one.len() && j < other.len() {
        let value = one[i].min(other[j]);
        i += one[i..].iter().take_while(|next| **next == value).count();
        j += other[j..].iter().take_while(|next| **next == value).count();
        largest = largest.max(apart(i, j, one.len(), other.len()));
    }
    largest
}

/// How far the step functions are apart after `i` of `n` and `j` of `m` values, times both sizes.
fn apart(i: usize, j: usize, n: usize, m: usize) -> u128 {
    let (one, other) = (i as u128 * m as u128, j as u128 * n as u128);
    one.abs_diff(other)
}

/// The share of all orders of the pooled values in which the step functions come apart by at least `distance`.
///
/// An order is a path of steps; each path is followed until it first leaves the band, where its share is added up. Only
/// positive numbers are added, so that small p-values are exact too.
fn exact(distance: u128, n: usize, m: usize) -> f64 {
    if distance == 0 {
        return 1.0;
    }
    let mut left = 0.0;
    // The share of paths that come through (i, j) and have stayed inside so far, for the current i.
    let mut row = vec![0.0; m + 1];
    row[0] = 1.0;
    for i in 0..=n {
        for j in 0..=m {
            let here: f64 = row[j];
            if here == 0.0 {
                continue;
            }
            if apart(i, j, n, m) >= distance {
                left += here;
                row[j] = 0.0;
                continue;
            }
            let remaining = (n - i + m - j) as f64;
            if j < m {
                row[j + 1] += here * (m - j) as f64 / remaining;
            }
            // Stays in its column for the next i.
            row[j] = if remaining > 0.0 {
                here * (n - i) as f64 / remaining
            } else {
                0.0
            };
        }
    }
    left.min(1.0)
}

/// The upper tail of Kolmogorov's limiting distribution.
fn limiting(at: f64) -> f64 {
    if at <= 0.0 {
        return 1.0;
    }
    let terms = 1..=TERMS;
    let tail = if at < SERIES_MEET {
        let odd = |k: u32| f64::from(2 * k - 1) * PI;
        let sum: f64 = terms
            .map(|k| (-odd(k).powi(2) / (8.0 * at * at)).exp())
            .sum();
        1.0 - (2.0 * PI).sqrt() / at * sum
    } else {
        let sum: f64 = terms
            .map(|k| {
                let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
                sign * (-2.0 * (f64::from(k) * at).powi(2)).exp()
            })
            .sum();
        2.0 * sum
    };
    tail.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(from: u32, to: u32) -> Vec<f64> {
        (from..to).map(f64::from).collect()
    }

    #[test]
    fn a_sample_is_like_itself_whatever_its_size() {
        for size in [1, 30, 3000] {
            let same = kolmogorov_smirnov(&numbers(0, size), &numbers(0, size)).unwrap();
            assert_eq!((same.statistic, same.p_value), (0.0, 1.0), "{size}");
        }
    }

    #[test]
    fn samples_that_do_not_meet_are_as_far_apart_as_can_be() {
        // Two of the six orders of two and two values keep them apart.
        let small = kolmogorov_smirnov(&[1.0, 2.0], &[3.0, 4.0]).unwrap();
        assert_eq!(small.statistic, 1.0);
        assert!((small.p_value - 1.0 / 3.0).abs() < 1e-12, "{small:?}");
        let large = kolmogorov_smirnov(&numbers(0, 2000), &numbers(2000, 4000)).unwrap();
        assert!(
            large.statistic == 1.0 && large.p_value < 1e-300,
            "{large:?}"
        );
    }

    #[test]
    fn the_two_series_are_one_function() {
        let (below, above) = (limiting(SERIES_MEET - 1e-12), limiting(SERIES_MEET));
        assert!((below - above).abs() < 1e-10, "{below} {above}");
        assert_eq!(limiting(0.0), 1.0);
        assert_eq!(limiting(0.05), 1.0);
    }

    #[test]
    fn what_cannot_be_compared_has_no_result() {
        assert_eq!(kolmogorov_smirnov(&[], &[1.0]), None);
        assert_eq!(kolmogorov_smirnov(&[f64::NAN], &[1.0]), None);
        let zeros = kolmogorov_smirnov(&[0.0, 0.0], &[-0.0, 0.0]).unwrap();
        assert_eq!(zeros.statistic, 0.0);
    }
}
