//! One try of a hook, whichever way it is called.

use std::time::Duration;

use crate::model::HumanDuration;

/// The longest part of an answer that is shown.
const SHOWN: usize = 200;

/// What came of one try.
pub(super) enum Tried {
    /// It said yes, with this body.
    Yes(Vec<u8>),
    /// It said no.
    No(String),
    /// It is worth trying again.
    Failed(String),
}

/// There was no answer in time.
pub(super) fn late(limit: Duration) -> Tried {
    Tried::Failed(format!("no answer within {}", HumanDuration(limit)))
}

/// `: TEXT`, the beginning of an answer, or nothing.
pub(super) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]).into_owned();
    let line: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(SHOWN)
        .collect();
    match line.as_str() {
        "" => String::new(),
        line => format!(": {line}"),
    }
}
