//! What a verb that watches a release exits with, by the phase in which the watching ended.

/// The gates did not pass, or a hook failed; no traffic has moved.
const FAILED: u8 = 10;
/// The traffic went back.
const ROLLED_BACK: u8 = 11;
/// Somebody gave it up.
const ABORTED: u8 = 12;
/// It waits for somebody to say `resume`.
const PAUSED: u8 = 13;

/// The exit code for a release that is in that phase when nobody watches any longer.
pub(super) fn of_phase(phase: &str) -> u8 {
    match phase {
        "Failed" => FAILED,
        "RolledBack" | "RollingBack" => ROLLED_BACK,
        "Aborted" => ABORTED,
        "Paused" => PAUSED,
        _ => 0,
    }
}
