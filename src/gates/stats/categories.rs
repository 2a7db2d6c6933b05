//! Whether two samples of categories come from one distribution: Pearson's chi-square test.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::TestResult;

/// Below this expected count a category is too rare for the chi-square distribution (Cochran, 1954).
const MIN_EXPECTED: f64 = 5.0;

/// Pearson's chi-square test of homogeneity: counts of the same categories in two samples. None if a sample is empty or
/// fewer than two categories occur: there is nothing to compare then.
#[must_use]
pub fn chi_square(counts: &[(u64, u64)]) -> Option<TestResult> {
    let occurring = counts.iter().filter(|(one, other)| one + other > 0);
    let (mut first, mut second, mut categories) = (0.0, 0.0, 0_u32);
    for (one, other) in occurring.clone() {
        first += *one as f64;
        second += *other as f64;
        categories += 1;
    }
    if first == 0.0 || second == 0.0 || categories < 2 {
        return None;
    }
    let statistic = occurring
        .map(|(one, other)| {
            let both = (one + other) as f64;
            let cell = |seen: u64, sample: f64| {
                let expected = both * sample / (first + second);
                (seen as f64 - expected).powi(2) / expected
            };
            cell(*one, first) + cell(*other, second)
        })
        .sum();
    let spread = ChiSquared::new(f64::from(categories - 1)).ok()?;
    Some(TestResult {
        statistic,
        p_value: spread.sf(statistic),
    })
}

/// Puts categories that are too rare for [`chi_square`] together into one, the last of the result.
#[must_use]
pub fn merge_rare(counts: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let first: u64 = counts.iter().map(|(one, _)| one).sum();
    let second: u64 = counts.iter().map(|(_, other)| other).sum();
    let smaller = first.min(second) as f64 / (first + second).max(1) as f64;
    let rare = |(one, other): &(u64, u64)| ((one + other) as f64) * smaller < MIN_EXPECTED;
    let mut merged: Vec<_> = counts.iter().copied().filter(|cell| !rare(cell)).collect();
    let rest = counts
        .iter()
        .filter(|cell| rare(cell))
        .fold((0, 0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1));
    if rest != (0, 0) {
        merged.push(rest);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_compared_has_no_result() {
        assert_eq!(chi_square(&[(3, 4)]), None);
        assert_eq!(chi_square(&[(3, 0), (4, 0)]), None);
        assert_eq!(chi_square(&[]), None);
    }

    #[test]
    fn rare_categories_are_one() {
        let counts = [(50, 60), (2, 1), (0, 1), (48, 38)];
        assert_eq!(merge_rare(&counts), [(50, 60), (48, 38), (2, 2)]);
        assert_eq!(merge_rare(&[(50, 50)]), [(50, 50)]);
        assert_eq!(merge_rare(&[]), []);
    }
}
