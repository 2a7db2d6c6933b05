//! Names of services, fleets and resource sets.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest name accepted, in bytes: a DNS label, as Kubernetes allows for names that end up in host names.
pub const MAX_NAME: usize = 63;

/// A checked name: 1 to 63 characters of `a-z A-Z 0-9 - _ .`, beginning with a letter or digit.
///
/// It never holds `/` or `:`, which separate a service from its colour in cluster names and routes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// A name that can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Nothing between the quotes.
    #[error("a name must not be empty")]
    Empty,
    /// Longer than [`MAX_NAME`].
    #[error("the name {0:?} has more than {MAX_NAME} characters")]
    TooLong(String),
    /// A character that names must not have.
    #[error(
        "the name {name:?} must begin with a letter or digit and hold only letters, digits, '-', '_' and '.', not {found:?}"
    )]
    Character {
        /// The whole name.
        name: String,
        /// The first character that is wrong.
        found: char,
    },
}

impl Name {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong(text.to_owned()));
        }
        let wrong = text.chars().enumerate().find(|(at, c)| {
            !(c.is_ascii_alphanumeric() || (*at > 0 && matches!(c, '-' | '_' | '.')))
        });
        match wrong {
            Some((_, found)) => Err(NameError::Character {
                name: text.to_owned(),
                found,
            }),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.as_ref().to_owned()
    }
}
