//! How long a duration may be.

use std::time::Duration;

use super::super::{HumanDuration, path::Path};
use super::Findings;

/// The longest duration anywhere: a week, longer than any request lives, and far from where Envoy's milliseconds
/// overflow.
pub const MAX_DURATION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Whether zero has a meaning for a duration.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Zero {
    Means,
    Wrong,
}

/// A duration is at most [`MAX_DURATION`].
pub(super) fn duration(
    findings: &mut Findings,
    path: Path,
    value: Option<HumanDuration>,
    zero: Zero,
) {
    let Some(value) = value else { return };
    if value.0.is_zero() && zero == Zero::Wrong {
        findings.add(path, "must be more than 0, e.g. 500ms");
    } else if value.0 > MAX_DURATION {
        let most = HumanDuration(MAX_DURATION);
        findings.add(
            path,
            format!("{value} is more than {most}, the longest accepted"),
        );
    }
}
