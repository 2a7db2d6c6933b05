//! A release for people: a line per phase, a line per check, and what time is left.

use std::{fmt::Write, time::Duration};

use anstyle::Style;

use super::view::{CheckView, ReleaseView, StepView};
use crate::{
    cli::out::{BAD, DIM, GOOD, WARN, paint, set_in},
    model::HumanDuration,
};

/// The colour of a phase: of a release, or of a check.
fn style(phase: &str) -> Style {
    match phase {
        "Failed" | "RolledBack" | "RollingBack" | "Aborted" | "Error" => BAD,
        "Paused" | "Inconclusive" => WARN,
        "Ready" | "Standby" | "Completed" | "Successful" => GOOD,
        _ => Style::new(),
    }
}

/// A release within the status of its service, two spaces in.
pub(in crate::cli) fn status_lines(release: &ReleaseView) -> String {
    let versions = match release.from_version.as_str() {
        "" => release.to_version.clone(),
        from => format!("{from} -> {}", release.to_version),
    };
    let mut text = format!(
        "  release {}: {versions}, {}{}",
        release.number,
        paint(style(&release.phase), &release.phase),
        left(release)
    );
    if release.revision > 0 {
        let _ = write!(
            text,
            "{}",
            paint(
                DIM,
                format_args!(", last push: revision {}", release.revision)
            )
        );
    }
    text.push('\n');
    if !release.reason.is_empty() {
        let _ = writeln!(text, "    {}", set_in(&release.reason));
    }
    if let Some(line) = standstill(release) {
        let _ = writeln!(text, "    {line}");
    }
    for check in &release.checks {
        let _ = writeln!(text, "    {}", check_line(check));
    }
    text
}

/// What is left of a phase that time ends, `, 12m of 30m`.
pub(super) fn left(release: &ReleaseView) -> String {
    let (Some(elapsed), Some(limit)) = (release.elapsed_ms, release.limit_ms) else {
        return String::new();
    };
    // Whole seconds: nobody reads more while it runs.
    let shown = |ms: u64| HumanDuration(Duration::from_secs(ms / 1000));
    format!(
        " for {} of {}",
        shown(elapsed),
        HumanDuration(Duration::from_millis(limit))
    )
}

/// Why the release, or the time of its phase, stands still, if it does.
pub(super) fn standstill(release: &ReleaseView) -> Option<String> {
    match (&*release.stuck, &*release.time_waits_for) {
        ("", "") => None,
        ("", why) => Some(paint(WARN, format_args!("no time counts: {why}"))),
        (why, _) => Some(paint(WARN, format_args!("it can't go on: {why}"))),
    }
}

/// A check and how far it is.
pub(super) fn check_line(check: &CheckView) -> String {
    let mut line = format!(
        "{} {} ({}): {}",
        check.purpose,
        check.name,
        check.kind,
        paint(style(&check.phase), &check.phase)
    );
    if check.measurements > 1 {
        let _ = write!(line, " after {} measurements", check.measurements);
    }
    if !check.message.is_empty() {
        let _ = write!(line, ": {}", set_in(&check.message));
    }
    line
}

/// A phase and why, with its time.
pub(super) fn step_line(step: &StepView) -> String {
    let weight = match step.weight {
        0 => String::new(),
        weight => format!(" [{weight}%]"),
    };
    let mut line = format!(
        "{} {}{weight}",
        paint(DIM, clock(&step.at)),
        paint(style(&step.phase), &step.phase)
    );
    if !step.reason.is_empty() {
        let _ = write!(line, ": {}", set_in(&step.reason));
    }
    line
}

/// The time of day of an RFC 3339 time, which is what changes while one watches.
fn clock(at: &str) -> &str {
    at.split_once('T').map_or(at, |(_, time)| {
        time.split(['.', 'Z']).next().unwrap_or(time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_where_time_ends_a_phase() {
        let mut release = ReleaseView::from(crate::api::ReleaseStatus {
            number: 3,
            phase: "Baking".into(),
            elapsed_ms: 61_900,
            limit_ms: 1_800_000,
            ..Default::default()
        });
        assert_eq!(left(&release), " for 1m1s of 30m");
        release.limit_ms = None;
        assert_eq!(left(&release), "");
    }

    #[test]
    fn why_no_time_counts_is_said_with_the_release() {
        let release = ReleaseView::from(crate::api::ReleaseStatus {
            number: 3,
            phase: "Baking".into(),
            limit_ms: 1_800_000,
            time_waits_for: "0 of 2 proxies are connected".into(),
            ..Default::default()
        });
        let text = anstream::adapter::strip_str(&status_lines(&release)).to_string();
        let last = text.lines().last();
        assert_eq!(
            last,
            Some("    no time counts: 0 of 2 proxies are connected")
        );
        assert_eq!(
            standstill(&ReleaseView::from(crate::api::ReleaseStatus::default())),
            None
        );
        // A full disk comes first: until there is room, nothing comes of it that time counts again.
        let stuck = ReleaseView {
            stuck: "the disk is full".into(),
            ..release
        };
        let text = anstream::adapter::strip_str(&status_lines(&stuck)).to_string();
        let last = text.lines().last();
        assert_eq!(last, Some("    it can't go on: the disk is full"));
    }

    #[test]
    fn a_step_is_one_line_with_the_time_of_day() {
        let step = StepView {
            at: "2026-03-01T12:30:05.250Z".into(),
            revision: 4,
            phase: "Shifting".into(),
            reason: "step 1 of 3".into(),
            by: "ann@host".into(),
            weight: 10,
        };
        let line = anstream::adapter::strip_str(&step_line(&step)).to_string();
        assert_eq!(line, "12:30:05 Shifting [10%]: step 1 of 3");
    }
}
