//! Where in a document something stands: `spec.routes[1].match.prefix`.

use std::fmt;

use crate::text::escaped;

/// Keys longer than this are cut when shown: a path is read by people, on one line.
const MAX_SHOWN_KEY: usize = 64;

/// One step of a [`Path`], from the outside to the inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A field of a mapping.
    Key(String),
    /// An item of a list, counted from 0.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Step::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Step::Index(index)
    }
}

/// The way from a document's top to one of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// This path with one more step.
    pub fn join(&self, step: impl Into<Step>) -> Path {
        let mut steps = self.0.clone();
        steps.push(step.into());
        Path(steps)
    }

    /// This path, seen from `outer`.
    pub fn under(&self, outer: &Path) -> Path {
        Path(outer.0.iter().chain(&self.0).cloned().collect())
    }

    /// The document itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<const N: usize> From<[&str; N]> for Path {
    fn from(keys: [&str; N]) -> Self {
        Path(keys.into_iter().map(Step::from).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if at > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(&escaped(key, MAX_SHOWN_KEY))?;
                }
            }
        }
        Ok(())
    }
}

/// [`escaped`] between quotes.
pub(super) fn quoted(text: &str, max: usize) -> String {
    format!("\"{}\"", escaped(text, max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_people_write_it() {
        let path = Path::from(["spec", "routes"]).join(1).join("match");
        assert_eq!(path.to_string(), "spec.routes[1].match");
        assert_eq!(Path::default().join(0).join("kind").to_string(), "[0].kind");
    }

    #[test]
    fn stays_one_short_line_whatever_the_keys() {
        let path = Path::default().join(format!("a\nb{}", "x".repeat(1000)).as_str());
        let shown = path.to_string();
        assert!(shown.starts_with("a\\nbxx"), "{shown}");
        assert!(shown.chars().count() < 70, "{shown}");
    }
}
