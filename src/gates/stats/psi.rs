//! The population stability index: how far one distribution has moved from another. Above 0.1 it has, above 0.25 much.

use super::quantile;

/// An empty bin counts as this share: the index of an empty one would be infinite, however few samples there are.
pub const EMPTY_SHARE: f64 = 1e-4;

/// Of counts per bin or category, the reference's first. None if a sample is empty.
#[must_use]
pub fn psi_of_counts(counts: &[(f64, f64)]) -> Option<f64> {
    let reference: f64 = counts.iter().map(|(reference, _)| reference).sum();
    let current: f64 = counts.iter().map(|(_, current)| current).sum();
    if !(reference > 0.0 && current > 0.0) {
        return None;
    }
    let parts = counts
        .iter()
        // In neither: not a category of these two.
        .filter(|(one, other)| *one > 0.0 || *other > 0.0)
        .map(|(one, other)| {
            let expected = (one / reference).max(EMPTY_SHARE);
            let actual = (other / current).max(EMPTY_SHARE);
            (actual - expected) * (actual / expected).ln()
        });
    Some(parts.sum())
}

/// Of numbers, in at most `bins` bins that each hold the same share of the reference (fewer where its values repeat).
/// None if a sample is empty or holds what is no number.
#[must_use]
pub fn psi_of_numbers(reference: &[f64], current: &[f64], bins: u32) -> Option<f64> {
    if reference.iter().chain(current).any(|value| value.is_nan()) {
        return None;
    }
    let mut sorted = reference.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..bins)
        .filter_map(|bin| quantile(&sorted, f64::from(bin) / f64::from(bins)))
        .collect();
    edges.dedup();
    // A value on an edge is in the bin below it.
    let bin = |value: f64| edges.partition_point(|edge| *edge < value);
    let mut counts = vec![(0.0, 0.0); edges.len() + 1];
    for value in reference {
        counts[bin(*value)].0 += 1.0;
    }
    for value in current {
        counts[bin(*value)].1 += 1.0;
    }
    psi_of_counts(&counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_move_is_zero() {
        let values: Vec<f64> = (0..100_u32).map(f64::from).collect();
        assert_eq!(psi_of_numbers(&values, &values, 10), Some(0.0));
        assert_eq!(psi_of_counts(&[(5.0, 50.0), (1.0, 10.0)]), Some(0.0));
    }

    #[test]
    fn a_new_category_is_finite_and_far() {
        let psi = psi_of_counts(&[(100.0, 50.0), (0.0, 50.0)]).unwrap();
        assert!(psi > 3.0 && psi.is_finite(), "{psi}");
    }

    #[test]
    fn a_reference_of_one_value_has_the_bins_below_and_above_it() {
        let psi = psi_of_numbers(&[1.0; 10], &[1.0, 1.0, 2.0, 2.0], 10).unwrap();
        assert!(psi > 1.0, "{psi}");
        assert_eq!(psi_of_numbers(&[1.0; 10], &[1.0; 4], 10), Some(0.0));
    }

    #[test]
    fn nothing_to_compare() {
        assert_eq!(psi_of_numbers(&[], &[1.0], 10), None);
        assert_eq!(psi_of_numbers(&[1.0], &[], 10), None);
        assert_eq!(psi_of_numbers(&[1.0], &[f64::NAN], 10), None);
        assert_eq!(psi_of_counts(&[]), None);
    }
}
