//! The bootstrap: how far a statistic might have come out otherwise, had other samples been drawn.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::quantile;

/// A percentile interval needs that many defined values: with fewer, its ends are single resamples.
const MIN_DEFINED: usize = 100;

/// How a bootstrap is drawn: with the same numbers it gives the same interval, on every machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// How many resamples.
    pub resamples: u32,
    /// Where the random numbers start.
    pub seed: u64,
    /// The share of resamples that the interval holds, between 0 and 1, e.g. 0.95.
    pub confidence: f64,
}

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The percentile interval of `statistic` over resamples of `samples` samples.
///
/// `statistic` gets how often each sample was drawn. A difference between two models is paired by computing both from
/// the same draws: what makes a question hard for both cancels out. None if there are no samples, or if the statistic is
/// undefined (None) for too many resamples to speak of an interval: more than one in twenty. It may take seconds, and
/// ends early, with None, once the answer is no longer `wanted`.
pub fn bootstrap(
    samples: usize,
    resampling: Resampling,
    wanted: impl Fn() -> bool,
    statistic: impl Fn(&[u32]) -> Option<f64>,
) -> Option<Interval> {
    if samples == 0 {
        return None;
    }
    // ChaCha's stream is the same in every version and on every machine, which a recorded seed promises.
    let mut random = ChaCha8Rng::seed_from_u64(resampling.seed);
    let mut drawn = vec![0; samples];
    let mut values: Vec<f64> = (0..resampling.resamples)
        .take_while(|_| wanted())
        .filter_map(|_| {
            drawn.fill(0);
            for _ in 0..samples {
                drawn[random.random_range(0..samples)] += 1;
            }
            statistic(&drawn).filter(|value| value.is_finite())
        })
        .collect();
    let undefined = resampling.resamples as usize - values.len();
    if values.len() < MIN_DEFINED || undefined > resampling.resamples as usize / 20 {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - resampling.confidence) / 2.0;
    Some(Interval {
        low: quantile(&values, tail)?,
        high: quantile(&values, 1.0 - tail)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: Resampling = Resampling {
        resamples: 500,
        seed: 7,
        confidence: 0.95,
    };

    fn mean(values: &[f64], drawn: &[u32]) -> Option<f64> {
        let sum: f64 = values
            .iter()
            .zip(drawn)
            .map(|(value, times)| value * f64::from(*times))
            .sum();
        Some(sum / f64::from(drawn.iter().sum::<u32>()))
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_another_seed_another() {
        let values: Vec<f64> = (0..50_u32).map(f64::from).collect();
        let with = |seed| {
            bootstrap(
                50,
                Resampling { seed, ..ONCE },
                || true,
                |drawn| mean(&values, drawn),
            )
        };
        assert_eq!(with(7), with(7));
        assert_ne!(with(7), with(8));
    }

    #[test]
    fn two_equal_models_differ_by_nothing_whatever_is_drawn() {
        let values = [1.0, 0.0, 1.0, 1.0];
        let difference = |drawn: &[u32]| Some(mean(&values, drawn)? - mean(&values, drawn)?);
        assert_eq!(
            bootstrap(4, ONCE, || true, difference),
            Some(Interval {
                low: 0.0,
                high: 0.0
            })
        );
    }

    #[test]
    fn what_is_mostly_undefined_has_no_interval() {
        assert_eq!(bootstrap(0, ONCE, || true, |_| Some(1.0)), None);
        assert_eq!(
            bootstrap(10, ONCE, || true, |drawn| (drawn[0] > 0).then_some(1.0)),
            None
        );
        assert_eq!(bootstrap(10, ONCE, || true, |_| Some(f64::NAN)), None);
    }

    #[test]
    fn what_nobody_waits_for_is_not_computed() {
        let asked = std::cell::Cell::new(0);
        let wanted = || asked.replace(asked.get() + 1) < 3;
        assert_eq!(bootstrap(10, ONCE, wanted, |_| Some(1.0)), None);
        assert_eq!(asked.get(), 4);
    }
}
