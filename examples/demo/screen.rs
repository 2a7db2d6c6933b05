//! What the demo prints, and in which colours: on a terminal with a line that lives, otherwise plain text.

use std::{
    fmt::Display,
    io::{IsTerminal, Write, stderr, stdout},
    time::Instant,
};

use crate::story::Failed;

/// Colours by what they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// What was live first, and its versions.
    Blue,
    /// The first new version.
    Green,
    /// The fix.
    Cyan,
    /// Something failed.
    Red,
    /// A command that one could have typed, a headline.
    Bold,
    /// What is less important.
    Dim,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Blue => "34",
            Self::Green => "32",
            Self::Cyan => "36",
            Self::Red => "31",
            Self::Bold => "1",
            Self::Dim => "2",
        }
    }
}

/// The terminal, or what stands for it.
#[derive(Debug)]
pub struct Screen {
    terminal: bool,
    colour: bool,
    origin: Instant,
}

impl Screen {
    /// Stdout.
    pub fn new(no_color: bool) -> Self {
        let terminal = stdout().is_terminal();
        Self {
            terminal,
            colour: terminal && !no_color,
            origin: Instant::now(),
        }
    }

    /// `text` in a colour, where there are colours.
    pub fn paint(&self, paint: Paint, text: impl Display) -> String {
        if self.colour {
            format!("\x1b[{}m{text}\x1b[0m", paint.code())
        } else {
            text.to_string()
        }
    }

    /// Columns that a chart may take. Wide enough everywhere, and never so wide that it is torn apart.
    pub fn width(&self) -> usize {
        let columns = rustix::termios::tcgetwinsize(stdout())
            .ok()
            .filter(|_| self.terminal)
            .map_or(100, |size| usize::from(size.ws_col));
        columns.clamp(60, 110)
    }

    /// One line.
    pub fn line(&self, text: impl Display) {
        self.clear();
        // Nobody reads any more: the demo goes on, and its exit code still tells.
        let _ = writeln!(stdout(), "{text}");
    }

    /// One step of the story, with the time at which it was done.
    pub fn step(&self, text: impl Display) {
        let at = format!("{:5.1} s", self.origin.elapsed().as_secs_f64());
        self.line(format!("  {}  {text}", self.paint(Paint::Dim, at)));
    }

    /// A command, as it is typed.
    pub fn command(&self, command: &str) {
        self.line("");
        self.step(self.paint(Paint::Bold, format!("$ bluegreen {command}")));
    }

    /// What belongs to the step above.
    pub fn detail(&self, text: impl Display) {
        self.line(format!("           {text}"));
    }

    /// Replaces the last line, on a terminal; elsewhere nothing is shown.
    pub fn live(&self, text: impl Display) {
        if self.terminal {
            let mut out = stdout();
            let _ = write!(out, "\r\x1b[2K           {text}");
            let _ = out.flush();
        }
    }

    /// Takes the living line away.
    pub fn clear(&self) {
        if self.terminal {
            let mut out = stdout();
            let _ = write!(out, "\r\x1b[2K");
            let _ = out.flush();
        }
    }

    /// Why the demo ends early.
    pub fn failed(&self, error: &Failed) {
        self.clear();
        let _ = writeln!(stderr(), "demo: {error}");
    }
}

/// A number with its thousands apart: 50,000.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_are_apart() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (50_000, "50,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
    }
}
