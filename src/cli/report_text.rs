//! A command's report for people.

use std::fmt::Write;

use super::{
    change::change_text,
    out::{BAD, DIM, GOOD, WARN, paint, set_in},
    report::{NotAcked, Report},
    table::Columns,
};

/// Proxies listed by name for people; the rest is counted. `fleet` and the other formats list all.
const MAX_LISTED: usize = 20;

impl Report {
    /// The report for people.
    pub fn text(&self) -> String {
        let style = match self.result {
            "done" | "unchanged" | "planned" => GOOD,
            "not-all-acked" => WARN,
            _ => BAD,
        };
        let mut text = format!("{}\n", paint(style, &self.message));
        if !self.fleets.is_empty() {
            text.push('\n');
            text.push_str(&self.delivery_table());
        }
        for fleet in &self.fleets {
            if self.fleets.len() > 1 && !fleet.not_acked.is_empty() {
                let _ = writeln!(text, "{}:", fleet.fleet); // a String takes everything
            }
            text.push_str(&not_acked_text(&fleet.not_acked, "  "));
        }
        text
    }

    /// What a dry run would change, resource by resource.
    pub fn diffs(&self) -> String {
        let changes = self.plan.iter().flat_map(|plan| &plan.changes);
        changes
            .filter(|change| !change.diff.is_empty())
            .map(|change| format!("\n{}", change_text(change)))
            .collect()
    }

    /// Where to look next, for an outcome that is not what was wanted.
    pub fn hint(&self) -> Option<String> {
        let fleet = &self.fleets.first()?.fleet;
        match self.result {
            "not-all-acked" => Some(format!(
                "`bluegreen fleet {fleet}` shows who is missing; the same command with --operation-id {} waits again",
                self.operation_id
            )),
            "reverted" | "nacked" => Some(format!(
                "`bluegreen fleet {fleet}` shows who rejected what, `bluegreen history {fleet}` keeps it"
            )),
            _ => None,
        }
    }

    fn delivery_table(&self) -> String {
        let ms = |ms: Option<f64>| ms.map(|ms| format!("{ms:.1} ms")).unwrap_or_default();
        let mut table = Columns::new([
            "FLEET",
            "REVISION",
            "PROXIES",
            "ACKED",
            "PENDING",
            "NACKED",
            "AWAY",
            "DURABLE",
            "FIRST-ACK",
            "LAST-ACK",
        ]);
        for fleet in &self.fleets {
            let revision = match fleet.superseded_by {
                Some(later) => format!("{} (superseded by {later})", fleet.revision),
                None => fleet.revision.to_string(),
            };
            table.row([
                fleet.fleet.clone(),
                revision,
                fleet.proxies.total.to_string(),
                fleet.proxies.acked.to_string(),
                fleet.proxies.pending.to_string(),
                fleet.proxies.nacked.to_string(),
                fleet.proxies.disconnected.to_string(),
                ms(fleet.ms.durable),
                ms(fleet.ms.first_ack),
                ms(fleet.ms.last_ack),
            ]);
        }
        table.text()
    }
}

/// A longer name is not lined up with others.
const MAX_WIDTH: usize = 80;

/// Who has not accepted and why, a proxy a line; nothing when everybody has.
pub(super) fn not_acked_text(proxies: &[NotAcked], indent: &str) -> String {
    let mut text = String::new();
    let width = proxies
        .iter()
        .take(MAX_LISTED)
        .map(|p| p.proxy.len().min(MAX_WIDTH))
        .max()
        .unwrap_or_default();
    for proxy in proxies.iter().take(MAX_LISTED) {
        let (style, why) = match proxy.state {
            "nacked" => (BAD, rejection(proxy)),
            "disconnected" if !proxy.since.is_empty() => {
                (WARN, format!("away since {}", proxy.since))
            }
            "disconnected" => (WARN, "away".to_owned()),
            "newer" => (
                BAD,
                format!(
                    "has revision {}, which this server has not reached, and is sent nothing: `bluegreen status` says what to do",
                    proxy.revision.unwrap_or_default()
                ),
            ),
            state => (WARN, state.to_owned()),
        };
        // Writing into a String can't fail.
        let _ = writeln!(
            text,
            "{indent}{:width$}  {}",
            proxy.proxy,
            paint(style, why)
        );
    }
    if proxies.len() > MAX_LISTED {
        let more = format!("{indent}… and {} more", proxies.len() - MAX_LISTED);
        let _ = writeln!(text, "{}", paint(DIM, more));
    }
    text
}

fn rejection(proxy: &NotAcked) -> String {
    let mut text = format!("rejected {}", proxy.type_);
    if !proxy.resources.is_empty() {
        text = format!("{text} {}", proxy.resources.join(", "));
    }
    format!("{}: {}", text.trim_end(), set_in(&proxy.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_of_any_name_is_listed() {
        let long = "n".repeat(70_000);
        let named = |proxy: &str| NotAcked {
            proxy: proxy.to_owned(),
            state: "pending",
            type_: String::new(),
            resources: Vec::new(),
            error: String::new(),
            since: String::new(),
            revision: None,
        };
        let text = not_acked_text(&[named(&long), named("p1")], "  ");
        assert!(text.contains(&long) && text.contains("p1"));
    }
}
