//! The `drift` check: recent inputs or predictions of both versions, compared field by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SampleSource;

/// `drift:` compares samples of both environments, per field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriftCheck {
    /// Where the samples come from.
    pub samples: SampleSource,
    /// What is compared, by a name for messages.
    pub fields: BTreeMap<String, DriftField>,
    /// With fewer values on either side a field is Inconclusive.
    #[serde(default = "minimum_samples")]
    pub minimum_samples: usize,
}

/// Both tests are approximations that hold from about here on, at ten bins of PSI.
fn minimum_samples() -> usize {
    200
}

/// One field of the samples, a number or a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum DriftField {
    /// Numbers: two-sample Kolmogorov-Smirnov test, PSI over bins that the baseline's quantiles make.
    #[serde(rename_all = "camelCase")]
    Number {
        /// A JSON path in a sample. None: the field of this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// When it counts as drifted by the test.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ks: Option<KolmogorovSmirnov>,
        /// The largest population stability index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        psi: Option<f64>,
        /// Bins of the PSI.
        #[serde(default = "bins")]
        bins: usize,
    },
    /// Text, true and false, or numbers that are names: chi-square test, PSI per category.
    #[serde(rename_all = "camelCase")]
    Category {
        /// A JSON path in a sample. None: the field of this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// When it counts as drifted by the test.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chi_square: Option<ChiSquare>,
        /// The largest population stability index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        psi: Option<f64>,
    },
}

/// Deciles, as PSI is usually computed.
fn bins() -> usize {
    10
}

/// A field has drifted when both bounds that are given are crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KolmogorovSmirnov {
    /// Drifted when the p-value is below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Drifted when the largest distance of the two distributions is above this. With many samples every difference
    /// is significant: this says which ones matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<f64>,
}

/// When categories count as drifted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChiSquare {
    /// Drifted when the p-value is below this.
    pub p_value: f64,
}
