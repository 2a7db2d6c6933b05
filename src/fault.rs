//! Fault points: places at which a test can end the process, as `kill -9` would, to prove the order of steps.
//!
//! They exist only with the feature `fault-points`; a release build holds none of this.

/// Ends the process at once if `BLUEGREEN_FAULT_POINT` names this point.
///
/// `BLUEGREEN_FAULT_SKIP=N` lets the point pass N times first.
#[cfg(feature = "fault-points")]
pub fn point(name: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PASSED: AtomicU64 = AtomicU64::new(0);
    if std::env::var("BLUEGREEN_FAULT_POINT").is_ok_and(|wanted| wanted == name) {
        let skip = std::env::var("BLUEGREEN_FAULT_SKIP")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        if PASSED.fetch_add(1, Ordering::SeqCst) >= skip {
            // No destructor, no flush, no exit handler: what a crash leaves behind.
            std::process::abort();
        }
    }
}

/// Does nothing: fault points are not compiled in.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn point(_name: &str) {}
