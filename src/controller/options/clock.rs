//! The time of day.

use std::sync::Arc;

use jiff::Timestamp;

/// The time of day; injected, so that tests can set it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
