//! Measurements come to a result by Argo Rollouts' rules, end once, and stay bounded.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn result() -> CheckResult {
    CheckResult::pending("smoke".parse().unwrap(), "http")
}

fn measured(phase: Phase) -> Measurement {
    Measurement::new(Timestamp::UNIX_EPOCH, phase, format!("it was {phase}"))
}

fn limits(count: Option<u32>, failure: u32, inconclusive: u32, consecutive_errors: u32) -> Limits {
    Limits {
        count,
        failure,
        inconclusive,
        consecutive_errors,
    }
}

/// After these measurements.
fn after(phases: &[Phase], limits: Limits) -> CheckResult {
    let mut result = result();
    for phase in phases {
        result.record(measured(*phase), limits);
    }
    result
}

#[test]
fn limits_are_argos() {
    use Phase::*;
    for (limits, phases, expected) in [
        (limits(Some(1), 0, 0, 4), &[Successful][..], Successful),
        (limits(Some(1), 0, 0, 4), &[Failed], Failed),
        (
            limits(Some(3), 1, 0, 4),
            &[Failed, Successful, Successful],
            Successful,
        ),
        (limits(Some(3), 1, 0, 4), &[Failed, Failed], Failed),
        (
            limits(Some(3), 0, 1, 4),
            &[Inconclusive, Inconclusive],
            Inconclusive,
        ),
        // Within the limits, and yet no yes.
        (
            limits(Some(2), 0, 9, 4),
            &[Inconclusive, Inconclusive],
            Inconclusive,
        ),
        (
            limits(Some(2), 0, 9, 4),
            &[Inconclusive, Successful],
            Successful,
        ),
        (limits(Some(1), 0, 0, 2), &[Error, Error, Error], Error),
        // A measurement that succeeds in between starts the errors anew; and errors don't count towards the count.
        (
            limits(Some(3), 0, 0, 1),
            &[Error, Successful, Error, Successful],
            Running,
        ),
        (
            limits(Some(2), 0, 0, 1),
            &[Error, Successful, Error, Successful],
            Successful,
        ),
        (
            limits(None, 0, 0, 4),
            &[Successful, Successful, Successful],
            Running,
        ),
    ] {
        let result = after(phases, limits);
        assert_eq!(result.phase, expected, "{phases:?} with {limits:?}");
        assert_eq!(result.ended_at.is_some(), expected.is_completed());
    }
}

#[test]
fn the_end_of_a_run_passes_only_what_has_measured() {
    use Phase::*;
    for (phases, count, expected) in [
        (&[][..], None, Inconclusive),
        (&[Error], None, Inconclusive),
        (&[Successful], None, Successful),
        (&[Successful], Some(2), Inconclusive),
        (&[Inconclusive, Inconclusive], None, Inconclusive),
        (&[Inconclusive, Successful], None, Successful),
    ] {
        let limits = limits(count, 0, 9, 4);
        let mut result = after(phases, limits);
        result.finish(Timestamp::UNIX_EPOCH, limits, false);
        assert_eq!(result.phase, expected, "{phases:?}");
    }
}

#[test]
fn what_said_neither_yes_nor_no_passes_where_it_may() {
    use Phase::{Error, Inconclusive, Successful};
    let limits = limits(None, 0, 9, 4);
    for (phases, expected) in [
        (&[Inconclusive, Inconclusive][..], Successful),
        (&[Error], Inconclusive),
        (&[], Inconclusive),
    ] {
        let mut result = after(phases, limits);
        result.finish(Timestamp::UNIX_EPOCH, limits, true);
        assert_eq!(result.phase, expected, "{phases:?}");
    }
}

#[test]
fn a_result_stays_bounded() {
    let endless = limits(None, 5, 0, 0);
    let mut result = result();
    let mut failed = measured(Phase::Failed);
    failed.details = Some(json!("kept"));
    result.record(failed, endless);
    for _ in 0..2 * MAX_MEASUREMENTS {
        result.record(
            measured(Phase::Successful).with_details(json!("newest")),
            endless,
        );
    }
    assert_eq!(result.measurements.len(), MAX_MEASUREMENTS);
    assert_eq!(result.dropped as usize, MAX_MEASUREMENTS + 1);
    assert_eq!(result.tally.successful as usize, 2 * MAX_MEASUREMENTS);
    let detailed: Vec<_> = result
        .measurements
        .iter()
        .filter_map(|it| it.details.as_ref())
        .collect();
    assert_eq!(detailed, [&json!("kept"), &json!("newest")]);
    let long = "x".repeat(MAX_DETAILS);
    let measurement = measured(Phase::Failed).with_details(json!(long));
    assert!(measurement.details.unwrap().to_string().len() < 200);
    let message = Measurement::new(
        Timestamp::UNIX_EPOCH,
        Phase::Failed,
        "a\n".repeat(MAX_MESSAGE),
    )
    .message;
    assert!(message.len() < 2 * MAX_MESSAGE && !message.contains('\n'));
    let many = (0..2 * MAX_VALUES).fold(measured(Phase::Failed), |it, at| {
        it.with(at.to_string(), 1.0)
    });
    assert_eq!(many.with("nan", f64::NAN).values.len(), MAX_VALUES);
}

#[test]
fn an_analysis_says_which_checks_were_not_successful() {
    let now = Timestamp::UNIX_EPOCH;
    let other = CheckResult::pending("load".parse().unwrap(), "load");
    let mut analysis = Analysis::pending(now, vec![result(), other.clone()]);
    assert_eq!(analysis.phase, Phase::Pending);
    analysis.update(0, after(&[Phase::Failed], limits(Some(1), 0, 0, 0)), now);
    assert_eq!((analysis.phase, analysis.ended_at), (Phase::Running, None));
    let mut good = other;
    good.record(measured(Phase::Successful), limits(Some(1), 0, 0, 0));
    analysis.update(1, good, now);
    assert_eq!(
        (analysis.phase, analysis.ended_at),
        (Phase::Failed, Some(now))
    );
    assert_eq!(analysis.message, "smoke is Failed: it was Failed");
    let stored = serde_json::to_string(&analysis).unwrap();
    assert_eq!(serde_json::from_str::<Analysis>(&stored).unwrap(), analysis);
}

#[test]
fn what_decided_an_analysis_is_said_first() {
    let now = Timestamp::UNIX_EPOCH;
    let mut analysis = Analysis::pending(now, vec![result(), result()]);
    let mut stopped = result();
    stopped.end(now, Phase::Inconclusive, "another check is Failed");
    analysis.update(0, stopped, now);
    analysis.update(1, after(&[Phase::Failed], limits(Some(1), 0, 0, 0)), now);
    assert_eq!(
        analysis.message,
        "smoke is Failed: it was Failed; smoke is Inconclusive: another check is Failed"
    );
}

proptest! {
    /// Whatever comes in whatever order: a check ends once, and Successful only within its limits.
    #[test]
    fn a_check_ends_once_and_passes_only_within_its_limits(
        phases in prop::collection::vec(prop::sample::select(Phase::ALL.to_vec()), 0..40),
        count in prop::option::of(1..10_u32),
        failure in 0..3_u32,
        inconclusive in 0..3_u32,
        errors in 0..3_u32,
    ) {
        let limits = limits(count, failure, inconclusive, errors);
        let mut result = result();
        let mut ended: Option<CheckResult> = None;
        for phase in phases {
            result.record(measured(phase), limits);
            if let Some(ended) = &ended {
                prop_assert_eq!(ended, &result);
            } else if result.phase.is_completed() {
                ended = Some(result.clone());
            }
        }
        let tally = result.tally;
        if result.phase == Phase::Successful {
            prop_assert!(tally.failed <= failure && tally.inconclusive <= inconclusive);
            prop_assert_eq!(Some(tally.counted()), count);
        }
        prop_assert_eq!(result.phase == Phase::Failed, tally.failed > failure);
        prop_assert_eq!(result.ended_at.is_some(), result.phase.is_completed());
    }
}
