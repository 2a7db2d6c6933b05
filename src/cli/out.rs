//! Printing: data to stdout in the format asked for, everything else to stderr, colour only on a terminal.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::{args::Format, error::Error};

/// For the word "error" and what went wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// For what deserves a look.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
/// For what is as it should be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// For what stands back.
pub(super) const DIM: Style = Style::new().dimmed();

/// Text in a style; the streams below take the style off again where it can't be shown.
pub(super) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Where and how a verb prints.
pub(super) struct Output {
    format: Option<Format>,
}

impl Output {
    pub fn new(format: Option<Format>) -> Self {
        Self { format }
    }

    /// The format asked for, or what the verb prints by itself.
    pub fn format_or(&self, default: Format) -> Format {
        self.format.unwrap_or(default)
    }

    /// Prints data: as JSON or YAML, or what `table` makes of it.
    pub fn data<T: Serialize>(
        &self,
        value: &T,
        table: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        match self.format_or(Format::Table) {
            // Only one verb has more for Markdown, and no other is given it.
            Format::Table | Format::Markdown => stdout(&table()),
            Format::Json => stdout(&json(value)?),
            Format::Yaml => stdout(&yaml(value)?),
        }
    }
}

/// A value as indented JSON, with the line's end.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::Encode {
        format: "JSON",
        message: e.to_string(),
    })?;
    Ok(text + "\n")
}

/// A value as one YAML document.
pub(super) fn yaml<T: Serialize>(value: &T) -> Result<String, Error> {
    let options = serde_saphyr::ser_options! {
        // A message stays on its line, so that it can be searched for.
        folded_wrap_chars: usize::MAX,
    };
    serde_saphyr::to_string_with_options(value, options).map_err(|e| Error::Encode {
        format: "YAML",
        message: e.to_string(),
    })
}

/// Writes to stdout.
pub(super) fn stdout(text: &str) -> Result<(), Error> {
    let mut stream = anstream::stdout().lock();
    stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush())
        .map_err(Error::Output)
}

/// Writes to stderr. Nobody is told when that fails: there is no place left to say it.
pub(super) fn stderr(text: &str) {
    let mut stream = anstream::stderr().lock();
    let _ = stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush());
}

/// One line on stderr, e.g. `note: …`.
pub(super) fn say(style: Style, word: &str, text: &str) {
    stderr(&format!(
        "{} {}\n",
        paint(style, format_args!("{word}:")),
        text.trim_end()
    ));
}

/// True when a person sees what is written to stderr as it comes.
pub(super) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// True when a person sees what is written to stdout as it comes.
pub(super) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Says why a verb failed and what can be done.
pub(super) fn failure(error: &Error) {
    if error.exit_code() == 0 {
        return;
    }
    match error.reason() {
        Some(reason) => say(BAD, "error", &format!("{error} ({reason})")),
        None => say(BAD, "error", &error.to_string()),
    }
    if let Some(hint) = error.hint() {
        say(WARN, "hint", &hint);
    }
}
