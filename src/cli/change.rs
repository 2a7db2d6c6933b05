//! Changes of resources, for people: plans by name, and unified diffs.

use std::fmt::Write;

use super::{
    out::{BAD, DIM, GOOD, WARN, paint},
    report::{Change, Plan},
};

/// Resources of a plan listed by name; the rest is counted. A screenful.
const MAX_CHANGES: usize = 40;

/// A plan, a resource a line: `+` added, `~` changed, `-` removed.
pub(super) fn plan_text(plan: &Plan) -> String {
    let mut text = match plan.from_revision {
        0 => format!("{}: a new fleet\n", plan.fleet),
        revision => format!("{}: changes to revision {revision}\n", plan.fleet),
    };
    let shown = plan.changes.iter().take(MAX_CHANGES);
    let width = shown
        .clone()
        .map(|change| change.type_.len())
        .max()
        .unwrap_or_default();
    for change in shown {
        text.push_str(&change_line(change, width));
    }
    if plan.changes.len() > MAX_CHANGES {
        let _ = writeln!(text, "  … and {} more", plan.changes.len() - MAX_CHANGES);
    }
    let _ = writeln!(text, "  {}", counts(&plan.changes));
    text
}

/// How many of each kind.
pub(super) fn counts(changes: &[Change]) -> String {
    let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
    let (added, changed, removed) = (count("added"), count("changed"), count("removed"));
    format!("{added} added, {changed} changed, {removed} removed")
}

/// One resource of a plan or a diff.
fn change_line(change: &Change, width: usize) -> String {
    let (style, sign) = match change.kind {
        "added" => (GOOD, '+'),
        "removed" => (BAD, '-'),
        _ => (WARN, '~'),
    };
    let line = format!("  {sign} {:width$}  {}", change.type_, change.name);
    format!("{}\n", paint(style, line))
}

/// One resource with its diff.
pub(super) fn change_text(change: &Change) -> String {
    format!("{}{}", change_line(change, 0), diff_text(&change.diff))
}

/// A unified diff with its signs in colour.
fn diff_text(diff: &str) -> String {
    diff.lines()
        .map(|line| {
            let style = match line.as_bytes().first() {
                Some(b'+') => GOOD,
                Some(b'-') => BAD,
                Some(b'@') => DIM,
                _ => return format!("{line}\n"),
            };
            format!("{}\n", paint(style, line))
        })
        .collect()
}
