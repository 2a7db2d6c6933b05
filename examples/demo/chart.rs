//! Who answered when: one row of blocks per version, time from left to right.

use std::time::{Duration, Instant};

use crate::{
    ending::Mark,
    load::Report,
    screen::{Paint, Screen},
    story::VERSIONS,
};

/// An eighth of a column more each.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns before the chart: the row's name.
const MARGIN: usize = 12;

/// The chart, line by line.
pub fn draw(screen: &Screen, report: &Report, marks: &[Mark]) -> Vec<String> {
    let columns = screen.width().saturating_sub(MARGIN + 2);
    let end = report
        .samples
        .iter()
        .map(|sample| sample.done)
        .max()
        .unwrap_or_default();
    if end.is_zero() {
        return Vec::new();
    }
    let scale = Scale { columns, end };
    let totals = scale.count(report.samples.iter().map(|sample| sample.done));
    let full = median(&totals);

    let mut lines = Vec::new();
    for (version, paint) in VERSIONS {
        let answers = report
            .samples
            .iter()
            .filter(|sample| matches!(&sample.outcome, Ok(by) if &**by == version));
        let row = blocks(&scale.count(answers.map(|sample| sample.done)), full);
        lines.push(format!(
            "  {version:<w$}{}",
            screen.paint(paint, row),
            w = MARGIN - 2
        ));
    }
    let (own, failed): (Vec<_>, Vec<_>) = report
        .samples
        .iter()
        .filter(|sample| sample.outcome.is_err())
        .partition(|sample| sample.own_error().is_some());
    for (name, samples) in [("its errors", own), ("failed", failed)] {
        let counts = scale.count(samples.iter().map(|sample| sample.done));
        if samples.is_empty() {
            continue;
        }
        let row: String = counts
            .iter()
            .map(|count| if *count > 0 { '×' } else { ' ' })
            .collect();
        lines.push(format!(
            "  {name:<w$}{}",
            screen.paint(Paint::Red, row),
            w = MARGIN - 2
        ));
    }
    lines.push(format!(
        "{:MARGIN$}{}",
        "",
        screen.paint(Paint::Dim, scale.axis())
    ));
    lines.extend(legend(screen, &scale, report.origin, marks));
    lines
}

/// Which column a moment belongs to.
struct Scale {
    columns: usize,
    end: Duration,
}

impl Scale {
    fn column(&self, at: Duration) -> usize {
        let share = at.as_secs_f64() / self.end.as_secs_f64();
        ((share * self.columns as f64) as usize).min(self.columns - 1)
    }

    fn count(&self, moments: impl Iterator<Item = Duration>) -> Vec<usize> {
        let mut counts = vec![0; self.columns];
        for at in moments {
            counts[self.column(at)] += 1;
        }
        counts
    }

    /// A tick every five seconds.
    fn axis(&self) -> String {
        let mut axis: Vec<char> = vec!['─'; self.columns];
        for seconds in (0..=self.end.as_secs()).step_by(5) {
            let column = self.column(Duration::from_secs(seconds));
            let label = format!("┴{seconds} s");
            if column + label.chars().count() <= self.columns {
                for (offset, character) in label.chars().enumerate() {
                    axis[column + offset] = character;
                }
            }
        }
        axis.into_iter().collect()
    }
}

/// Numbers under the axis, and what they stand for.
fn legend(screen: &Screen, scale: &Scale, origin: Instant, marks: &[Mark]) -> Vec<String> {
    let mut row = vec![' '; scale.columns];
    let mut names = Vec::new();
    for (number, mark) in (1_u32..).zip(marks) {
        let column = scale.column(mark.at.saturating_duration_since(origin));
        row[column] = char::from_digit(number, 36).unwrap_or('*');
        names.push(format!("{number} {}", mark.what));
    }
    let row: String = row.into_iter().collect();
    vec![
        format!(
            "{:MARGIN$}{}",
            "",
            screen.paint(Paint::Bold, row.trim_end())
        ),
        format!(
            "{:MARGIN$}{}",
            "",
            screen.paint(Paint::Dim, names.join("   "))
        ),
    ]
}

/// The height of a full column: what most columns have.
fn median(counts: &[usize]) -> usize {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted
        .get(sorted.len() / 2)
        .copied()
        .unwrap_or_default()
        .max(1)
}

fn blocks(counts: &[usize], full: usize) -> String {
    let top = BLOCKS.len() - 1;
    counts
        .iter()
        // Rounded up: a single answer in a column is seen.
        .map(|count| BLOCKS[(count * top).div_ceil(full).min(top)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Scale, blocks};
    use std::time::Duration;

    #[test]
    fn one_answer_is_seen_and_none_is_not() {
        assert_eq!(blocks(&[0, 1, 40, 80, 200], 80), " ▁▄██");
    }

    #[test]
    fn the_last_moment_is_in_the_last_column() {
        let scale = Scale {
            columns: 60,
            end: Duration::from_secs(30),
        };
        assert_eq!(scale.column(Duration::ZERO), 0);
        assert_eq!(scale.column(Duration::from_secs(30)), 59);
        assert_eq!(scale.axis().chars().count(), 60);
    }
}
