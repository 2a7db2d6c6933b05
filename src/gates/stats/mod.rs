//! The statistics under the gates: pure functions of numbers, each compared with SciPy's or scikit-learn's by a test.

mod bootstrap;
mod categories;
mod classes;
mod kolmogorov;
mod numbers;
mod proportion;
mod psi;
mod ranking;
mod text;

pub use bootstrap::{Interval, Resampling, bootstrap};
pub use categories::{chi_square, merge_rare};
pub use classes::Classes;
pub use kolmogorov::kolmogorov_smirnov;
pub use numbers::{Errors, quantile};
pub use proportion::{Proportion, difference, not_worse, wilson};
pub use psi::{EMPTY_SHARE, psi_of_counts, psi_of_numbers};
pub use ranking::Ranking;
pub use text::{cosine, rouge_l};

/// What a test of a hypothesis found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestResult {
    /// How different the samples are: the test's own measure.
    pub statistic: f64,
    /// How likely so large a difference, or a larger one, is if both samples come from one distribution.
    pub p_value: f64,
}
