//! The record of a release as Markdown: what one pastes into a change ticket.

use std::fmt::Write;

use jiff::Timestamp;

use super::views::{ms, time};
use crate::{
    model::Endpoint,
    release::{AnalysisRecord, DeliveryRecord, ReleaseRecord, ResourceDigest, Side},
};

/// Proxies of a push that are listed by name: the slowest, which one asks about. The JSON has all that are kept.
const LISTED_PROXIES: usize = 20;

/// Numbers of a measurement that are listed; the JSON has all.
const LISTED_VALUES: usize = 12;

/// The record as one document.
pub(super) fn of(record: &ReleaseRecord) -> String {
    let rollout = &record.rollout;
    let mut text = format!(
        "# Release {} of {}: {}\n\n**{}**: {}\n\n",
        rollout.number,
        inline(record.service.as_str()),
        versions(rollout.from.as_ref(), &rollout.to),
        rollout.phase,
        inline(&rollout.reason)
    );
    let mut table = Table::new(["", ""]);
    table.row(["Fleet".into(), record.fleet.to_string()]);
    table.row([
        "Begun".into(),
        format!("{} by {}", time(rollout.begun), rollout.by),
    ]);
    if !rollout.why.is_empty() {
        table.row(["Why".into(), rollout.why.clone()]);
    }
    table.row(["New".into(), side(&rollout.to, &record.endpoints)]);
    if let Some(from) = &rollout.from {
        table.row(["Before".into(), side(from, &record.from_endpoints)]);
    }
    if rollout.rolled_back_by_server {
        table.row(["Rolled back".into(), "by the server".into()]);
    }
    if !rollout.waived.is_empty() {
        table.row(["Waived".into(), rollout.waived.join(", ")]);
    }
    text.push_str(&table.text());
    phases(&mut text, record);
    for analysis in &record.analyses {
        checks(&mut text, analysis);
    }
    for push in &record.deliveries {
        delivery(&mut text, push);
    }
    digests(&mut text, &record.before, &record.after);
    text
}

fn versions(from: Option<&Side>, to: &Side) -> String {
    match from {
        Some(from) => format!("{} → {}", inline(&from.version), inline(&to.version)),
        None => inline(&to.version),
    }
}

fn side(side: &Side, endpoints: &[Endpoint]) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    let at = match endpoints.as_slice() {
        [] => String::new(),
        all => format!(" at {}", all.join(", ")),
    };
    format!(
        "{} in {}, deployment {}{at}",
        side.version, side.colour, side.deployment
    )
}

fn phases(text: &mut String, record: &ReleaseRecord) {
    text.push_str("\n## Phases\n\n");
    let mut table = Table::new([
        "At",
        "Phase",
        "New version's share",
        "Revision",
        "By",
        "Why",
    ]);
    for entry in &record.rollout.log {
        table.row([
            time(entry.at),
            entry.phase.to_string(),
            format!("{}%", entry.weight),
            entry.revision.to_string(),
            entry.by.clone(),
            entry.reason.clone(),
        ]);
    }
    text.push_str(&table.text());
}

fn checks(text: &mut String, record: &AnalysisRecord) {
    let analysis = &record.analysis;
    // A String takes everything.
    let _ = write!(
        text,
        "\n## Checks of run {}: {}, {}\n\n",
        record.number, record.purpose, analysis.phase
    );
    let mut table = Table::new([
        "Check",
        "Kind",
        "Result",
        "Measurements",
        "Why",
        "Last numbers",
    ]);
    for check in &analysis.checks {
        let tally = &check.tally;
        let last = check.measurements.last();
        let numbers: Vec<String> = last
            .into_iter()
            .flat_map(|last| &last.values)
            .take(LISTED_VALUES)
            .map(|(name, value)| format!("{name} = {}", number(*value)))
            .collect();
        table.row([
            check.name.to_string(),
            check.kind.clone(),
            check.phase.to_string(),
            format!(
                "{} passed, {} failed, {} inconclusive, {} errors",
                tally.successful, tally.failed, tally.inconclusive, tally.errors
            ),
            check.told().to_owned(),
            numbers.join(", "),
        ]);
    }
    text.push_str(&table.text());
}

/// Six significant digits: more is noise in a ticket.
fn number(value: f64) -> String {
    if value == 0.0 || (1e-4..1e9).contains(&value.abs()) {
        let digits = 5 - value.abs().max(1e-4).log10().floor() as i32;
        let text = format!("{value:.*}", digits.clamp(0, 9) as usize);
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    } else {
        format!("{value:.5e}")
    }
}

fn delivery(text: &mut String, push: &DeliveryRecord) {
    let _ = write!(
        text,
        "\n## Push: revision {}\n\n{}. Durable at {}; accepted by {} of {} proxies, rejected by {}. ",
        push.revision,
        inline(&push.what),
        time(push.at),
        push.acked,
        push.total,
        push.nacked
    );
    let after = |at: Option<Timestamp>| {
        at.map_or("never".to_owned(), |at| {
            format!("{:.1} ms", ms(push.at, at))
        })
    };
    let _ = writeln!(
        text,
        "First ACK after {}, median {}, last {}.",
        after(push.first),
        after(push.median),
        after(push.last)
    );
    if push.proxies.is_empty() {
        return;
    }
    text.push('\n');
    let mut table = Table::new(["Proxy, slowest first", "Accepted after"]);
    for ack in push.proxies.iter().take(LISTED_PROXIES) {
        table.row([ack.proxy.to_string(), after(Some(ack.at))]);
    }
    text.push_str(&table.text());
    let rest = (push.acked as usize).saturating_sub(LISTED_PROXIES);
    if rest > 0 {
        let _ = writeln!(text, "\n… and {rest} more.");
    }
}

fn digests(text: &mut String, before: &[ResourceDigest], after: &[ResourceDigest]) {
    if before.is_empty() && after.is_empty() {
        return;
    }
    text.push_str("\n## Configuration\n\n");
    let mut table = Table::new(["Resource", "Digest before", "Digest after"]);
    let of = |digests: &[ResourceDigest], one: &ResourceDigest| {
        let found = digests
            .iter()
            .find(|other| other.kind == one.kind && other.name == one.name);
        found.map_or("none".to_owned(), |found| found.digest.clone())
    };
    let added = after
        .iter()
        .filter(|one| of(before, one) == "none")
        .collect::<Vec<_>>();
    for one in before.iter().chain(added) {
        table.row([
            format!("{} {}", one.kind, one.name),
            of(before, one),
            of(after, one),
        ]);
    }
    text.push_str(&table.text());
}

/// A table of GitHub's Markdown.
struct Table(String);

impl Table {
    fn new<const N: usize>(heads: [&str; N]) -> Self {
        let mut table = Self(String::new());
        table.row(heads.map(str::to_owned));
        table.0.push_str(&"|---".repeat(N));
        table.0.push_str("|\n");
        table
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        for cell in cells {
            self.0.push_str("| ");
            self.0.push_str(&inline(&cell));
            self.0.push(' ');
        }
        self.0.push_str("|\n");
    }

    fn text(self) -> String {
        self.0
    }
}

/// Text that stays what it is within a line of Markdown: a version or a message may hold any character.
fn inline(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => safe.push(' '),
            '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' | '#' => {
                safe.push('\\');
                safe.push(character);
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_holds_makes_no_markdown() {
        assert_eq!(inline("a|b\n*c*"), "a\\|b \\*c\\*");
    }

    #[test]
    fn numbers_are_short_and_true() {
        for (value, text) in [
            (0.0, "0"),
            (0.9871234567, "0.987123"),
            (833.25, "833.25"),
            (50_000.0, "50000"),
            (1234567.0, "1234567"),
            (-0.25, "-0.25"),
            (1e-9, "1.00000e-9"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
