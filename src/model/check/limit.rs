//! Limits that several checks share: a range that a number must keep to, and a distance from the other version.

use serde::{Deserialize, Serialize};

/// A number must be at least `minimum` and at most `maximum`; one of them may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Range {
    /// From here on, itself included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Up to here, itself included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
}

impl Range {
    /// Whether the number keeps to it. NaN keeps to nothing.
    pub fn holds(&self, number: f64) -> bool {
        !number.is_nan()
            && self.minimum.is_none_or(|least| number >= least)
            && self.maximum.is_none_or(|most| number <= most)
    }

    /// What is wrong with the range itself, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        match (self.minimum, self.maximum) {
            (None, None) => Some("says nothing: write minimum, maximum or both".to_owned()),
            (Some(least), Some(most)) if least > most => {
                Some(format!("minimum {least} is more than maximum {most}"))
            }
            (least, most) => [least, most]
                .into_iter()
                .flatten()
                .any(|bound| !bound.is_finite())
                .then(|| "must be made of finite numbers".to_owned()),
        }
    }
}

/// How far a number may differ from the same number of the other version; what is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Margin {
    /// The largest difference, in the number's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absolute: Option<f64>,
    /// The largest difference as a share of the other version's number: 0.1 is a tenth of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<f64>,
}

impl Margin {
    /// What is wrong with the margin itself, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let bounds = [self.absolute, self.relative];
        if bounds == [None, None] {
            return Some("says nothing: write absolute, relative or both".to_owned());
        }
        bounds
            .into_iter()
            .flatten()
            .any(|bound| !(bound.is_finite() && bound >= 0.0))
            .then(|| "must be made of numbers from 0".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_lies_in_it() {
        let range = Range {
            minimum: Some(0.5),
            maximum: Some(1.0),
        };
        for (number, holds) in [
            (0.5, true),
            (1.0, true),
            (0.4, false),
            (1.1, false),
            (f64::NAN, false),
        ] {
            assert_eq!(range.holds(number), holds, "{number}");
        }
        assert!(range.problem().is_none());
        let upside_down = Range {
            minimum: Some(2.0),
            ..range
        };
        assert!(upside_down.problem().is_some());
        assert!(Range::default().problem().is_some());
    }
}
