//! A value that does not fit: where it stands, what is wrong, and what fits.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::super::path::{Path, Step};

/// How alike a word must be to a known one to be taken for a typing error of it (Jaro-Winkler, 0 to 1).
/// At 0.8 `endpoint` finds `endpoints` and `timout` finds `timeout`, and `colour` finds nothing.
const ALIKE: f64 = 0.8;

/// So few words are all named, which is better advice than a guess: `http3` is not a typing error of `http2`.
const FEW: usize = 4;

/// What serde says when a value does not fit a type, with the place added on the way out.
#[derive(Debug, PartialEq)]
pub(super) struct FieldError {
    /// The steps to the value, innermost first: each level adds its own on the way out.
    steps: Vec<Step>,
    /// The innermost line known, from 1.
    pub line: Option<usize>,
    /// What is wrong and what to write instead.
    pub problem: String,
}

impl FieldError {
    pub fn new(problem: impl Into<String>) -> Self {
        Self {
            steps: Vec::new(),
            line: None,
            problem: problem.into(),
        }
    }

    /// A problem whose place is known in full.
    pub fn at(path: Path, line: usize, problem: String) -> Self {
        Self {
            steps: path.0.into_iter().rev().collect(),
            line: Some(line),
            problem,
        }
    }

    /// The line, unless something further inside knew a better one.
    pub fn on_line(mut self, line: usize) -> Self {
        self.line.get_or_insert(line);
        self
    }

    /// The same error seen from one level further out.
    pub fn inside(mut self, step: impl Into<Step>) -> Self {
        self.steps.push(step.into());
        self
    }

    pub fn path(&self) -> Path {
        Path(self.steps.iter().rev().cloned().collect())
    }

    pub fn unknown_field(field: &str, known: &[&str]) -> Self {
        let advice = match closest(field, known) {
            Some(meant) => format!("did you mean {meant}?"),
            None if known.is_empty() => "nothing may stand here".to_owned(),
            None => format!("here may stand {}", listed(known, "and")),
        };
        Self::new(format!("unknown field, {advice}")).inside(field)
    }
}

impl de::Error for FieldError {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::new(problem.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let hint = match (&found, expected.as_str()) {
            (
                Unexpected::Signed(_)
                | Unexpected::Unsigned(_)
                | Unexpected::Float(_)
                | Unexpected::Bool(_),
                "a string",
            ) => ": put it in quotes",
            _ => "",
        };
        Self::new(format!(
            "expected {}, found {}{hint}",
            words_for(&expected),
            describe(&found)
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found {}",
            words_for(&expected.to_string()),
            describe(&found)
        ))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let advice = match closest(variant, known) {
            Some(meant) if known.len() > FEW => format!("did you mean {meant}?"),
            _ => format!("write {}", listed(known, "or")),
        };
        Self::new(format!("{variant:?} is not known here, {advice}"))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        FieldError::unknown_field(field, known)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is missing").inside(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("stands twice").inside(field)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path(), self.problem)
    }
}

impl std::error::Error for FieldError {}

/// The known word that was probably meant.
pub(super) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // No known word is near this length, and the comparison's cost grows with it.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| {
            let alike = strsim::jaro_winkler(&word, &candidate.to_ascii_lowercase());
            (alike, *candidate)
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `a, b and c`.
pub(super) fn listed(words: &[&str], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// serde names what it expects in Rust's words: here are a document's.
fn words_for(expected: &str) -> String {
    match expected {
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number from 0".to_owned(),
        "a map" => "a mapping (KEY: VALUE)".to_owned(),
        other if other.starts_with("struct ") => "a mapping (KEY: VALUE)".to_owned(),
        other => other.to_owned(),
    }
}

fn describe(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "a mapping".to_owned(),
        Unexpected::UnitVariant => "a word without a value (write WORD: VALUE)".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["version", "endpoints"];
        assert_eq!(closest("endpoint", &known), Some("endpoints"));
        assert_eq!(closest("Version", &known), Some("version"));
        assert_eq!(closest("colour", &known), None);
        assert_eq!(closest(&"endpoints".repeat(100_000), &known), None);
    }

    #[test]
    fn lists_as_a_sentence_does() {
        assert_eq!(listed(&["a"], "or"), "a");
        assert_eq!(listed(&["a", "b", "c"], "or"), "a, b or c");
    }
}
