//! What is shown on stderr while a command runs: its plan, notices, and on a terminal one line that follows the
//! delivery.

use std::fmt::Write;

use super::{
    change::plan_text,
    out::{self, DIM, WARN, paint},
    report::Plan,
};
use crate::api;

/// What is shown on stderr while a command runs.
pub(super) struct Progress {
    quiet: bool,
    terminal: bool,
    /// A line without its end is on the terminal.
    open_line: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            quiet: false,
            terminal: out::stderr_is_terminal(),
            open_line: false,
        }
    }

    /// For a plan that is made before the command itself, which shows everything again.
    pub fn quiet() -> Self {
        Self {
            quiet: true,
            ..Self::new()
        }
    }

    pub fn notice(&mut self, notice: &api::Notice) {
        if self.quiet {
            return;
        }
        self.close();
        out::say(WARN, &notice.kind, &notice.text);
    }

    pub fn note(&mut self, text: &str) {
        self.close();
        out::say(WARN, "note", text);
    }

    pub fn plan(&mut self, plan: &Plan) {
        if self.quiet {
            return;
        }
        self.close();
        out::stderr(&plan_text(plan));
    }

    pub fn durable(&mut self, durable: &api::Durable) {
        if self.quiet {
            return;
        }
        self.close();
        let how = match durable.ms {
            // Nothing was committed: it is the revision of the first time.
            0.0 => "is durable already".to_owned(),
            ms => format!("is durable after {ms:.1} ms"),
        };
        let text = format!("{}: revision {} {how}\n", durable.fleet, durable.revision);
        out::stderr(&paint(DIM, text));
    }

    /// Only on a terminal: a log wants the end, not each ACK.
    pub fn delivery(&mut self, delivery: &api::Delivery) {
        if self.quiet || !self.terminal {
            return;
        }
        let mut text = format!(
            "{}: revision {}: {} of {} proxies acked",
            delivery.fleet, delivery.revision, delivery.acked, delivery.total
        );
        for (count, word) in [
            (delivery.pending, "pending"),
            (delivery.nacked, "nacked"),
            (delivery.disconnected, "away"),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {word}"); // a String takes everything
            }
        }
        out::clear_line();
        out::stderr(&text);
        self.open_line = true;
    }

    /// Takes the line that follows the delivery away: the report says it better.
    pub fn close(&mut self) {
        if std::mem::take(&mut self.open_line) {
            out::clear_line();
        }
    }
}
