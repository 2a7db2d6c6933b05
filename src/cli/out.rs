//! Printing: data to stdout in the format asked for, everything else to stderr, colour only on a terminal.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

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

/// What [`paint`] writes: the only control sequences that texts may bring to a terminal.
const PAINTS: [&str; 6] = [
    "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m",
];

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

/// A value as one YAML document. Where a text in it is not shown as it is, the JSON of it, which is YAML too and says so in the text's own
/// escapes: plain YAML has none.
pub(super) fn yaml<T: Serialize>(value: &T) -> Result<String, Error> {
    let options = serde_saphyr::ser_options! {
        // A message stays on its line, so that it can be searched for.
        folded_wrap_chars: usize::MAX,
    };
    let text = serde_saphyr::to_string_with_options(value, options);
    let text = text.map_err(|e| Error::Encode {
        format: "YAML",
        message: e.to_string(),
    })?;
    match tamed(&text) {
        Cow::Owned(tame) if tame != text => json(value),
        _ => Ok(text),
    }
}

/// Writes to stdout.
pub(super) fn stdout(text: &str) -> Result<(), Error> {
    write(anstream::stdout().lock(), &tamed(text)).map_err(Error::Output)
}

/// Writes to stderr. Nobody is told when that fails: there is no place left to say it.
pub(super) fn stderr(text: &str) {
    let _ = write(anstream::stderr().lock(), &tamed(text));
}

/// Begins a new screen of the terminal that stdout is.
pub(super) fn clear_screen() -> Result<(), Error> {
    write(anstream::stdout().lock(), "\x1b[H\x1b[2J").map_err(Error::Output)
}

/// Begins the line of the terminal that stderr is anew.
pub(super) fn clear_line() {
    let _ = write(anstream::stderr().lock(), "\r\x1b[K");
}

fn write(mut stream: impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// Names, reasons and errors come from whoever may connect or answer: proxies, models, other operators. None of them may
/// move the cursor, hide a line, turn its order around or write to the clipboard of whoever reads it, so control characters are
/// shown, in the way of JSON.
fn tamed(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| (c.is_control() && c != '\n') || reorders(c)) {
        return Cow::Borrowed(text);
    }
    let mut tame = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let paint = PAINTS.iter().find(|paint| rest.starts_with(**paint));
        let taken = paint.map_or(c.len_utf8(), |paint| paint.len());
        match c {
            _ if paint.is_some() => tame.push_str(&rest[..taken]),
            '\n' | '\t' => tame.push(c),
            // The end of a line of a file from Windows.
            '\r' if rest.starts_with("\r\n") => {}
            c if c.is_control() || reorders(c) => {
                let _ = write!(tame, "\\u{:04x}", u32::from(c)); // a String takes everything
            }
            c => tame.push(c),
        }
        rest = &rest[taken..];
    }
    Cow::Owned(tame)
}

/// Shows what follows in another order than it is written in (Unicode's bidirectional controls), or breaks the line.
fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lines of somebody else's text after the first one, set in: none of them looks like a line of its own.
pub(super) fn set_in(text: &str) -> String {
    text.trim_end().replace('\n', "\n      ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_control_no_terminal() {
        let title = "p1\u{1b}]0;title\u{7}\u{9b}2J\u{1b}[8m\rover";
        assert_eq!(
            tamed(title),
            r"p1\u001b]0;title\u0007\u009b2J\u001b[8m\u000dover"
        );
        assert_eq!(tamed("a\r\nb\tc"), "a\nb\tc");
        let turned = "v1.3 \u{202e}evil\u{2069} \u{5e9}";
        assert_eq!(tamed(turned), "v1.3 \\u202eevil\\u2069 \u{5e9}");
    }

    #[test]
    fn own_paint_stays() {
        for style in [BAD, WARN, GOOD, DIM] {
            let painted = paint(style, "text");
            assert_eq!(tamed(&format!("{painted}\r\n")), format!("{painted}\n"));
        }
    }

    #[test]
    fn data_stays_what_it_is() {
        let alone = "rtl \u{202e} lrm \u{200e} end";
        let read: Vec<String> = serde_saphyr::from_str(&tamed(&yaml(&[alone]).unwrap())).unwrap();
        assert_eq!(read, [alone]);
        let data =
            "rtl \u{202e} lrm \u{200e} esc \u{1b}[2J del \u{7f} csi \u{9b} cr \r crlf \r\n end";
        let json = json(&[data]).unwrap();
        let read: Vec<String> = serde_json::from_str(&tamed(&json)).unwrap();
        assert_eq!(read, [data]);
        let yaml = yaml(&[data]).unwrap();
        let read: Vec<String> = serde_saphyr::from_str(&tamed(&yaml)).unwrap();
        assert_eq!(read, [data], "{yaml}");
    }
}
