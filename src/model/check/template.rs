//! `{{version}}` and the like in paths, queries and texts of checks.

use std::collections::BTreeMap;

use crate::text::escaped;

/// The variables that every check may use; `baseline.` is the version that the release replaces.
pub const VARIABLES: &[&str] = &[
    "service",
    "fleet",
    "version",
    "colour",
    "cluster",
    "baseline.version",
    "baseline.colour",
    "baseline.cluster",
];

/// A template that can't be filled in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("{{{{ is not closed by }}}} in {0:?}")]
    Open(String),
    /// A variable that there is not.
    #[error("{{{{{name}}}}} is not known, there is {}", known.join(", "))]
    Unknown {
        /// The variable.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

/// The text with its variables filled in. Spaces inside the braces don't count.
///
/// # Errors
/// If a variable is unknown or a brace is not closed.
pub fn render(text: &str, values: &BTreeMap<&str, String>) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, tail)) = after.split_once("}}") else {
            return Err(TemplateError::Open(escaped(text, 64)));
        };
        let name = name.trim();
        let Some(value) = values.get(name) else {
            return Err(TemplateError::Unknown {
                name: escaped(name, 64),
                known: values.keys().map(|name| (*name).to_owned()).collect(),
            });
        };
        filled.push_str(before);
        filled.push_str(value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What is wrong with a template that may use [`VARIABLES`] and these, if anything.
pub(super) fn problem(text: &str, more: &[&'static str]) -> Option<String> {
    let known = VARIABLES.iter().chain(more);
    let values = known.map(|name| (*name, String::new())).collect();
    render(text, &values).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let values = BTreeMap::from([("version", "v1.3".to_owned())]);
        assert_eq!(
            render("/m/{{version}}/{{ version }}!", &values).unwrap(),
            "/m/v1.3/v1.3!"
        );
        assert_eq!(render("{ plain }} {", &values).unwrap(), "{ plain }} {");
        assert_eq!(
            render("{{colour}}", &values).unwrap_err().to_string(),
            "{{colour}} is not known, there is version"
        );
        assert_eq!(
            render("a {{version", &values).unwrap_err().to_string(),
            "{{ is not closed by }} in \"a {{version\""
        );
    }

    #[test]
    fn what_a_value_holds_is_not_filled_in_again() {
        let values = BTreeMap::from([("version", "{{version}}".to_owned())]);
        assert_eq!(render("{{version}}", &values).unwrap(), "{{version}}");
    }
}
