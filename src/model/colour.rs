//! The two environments of a service.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One of the two environments. Neither is better: which one is live is a matter of the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// The environment called blue.
    Blue,
    /// The environment called green.
    Green,
}

impl Colour {
    /// Both, in the order in which they are listed everywhere.
    pub const BOTH: [Colour; 2] = [Colour::Blue, Colour::Green];

    /// The other environment of the pair.
    pub fn other(self) -> Colour {
        match self {
            Colour::Blue => Colour::Green,
            Colour::Green => Colour::Blue,
        }
    }

    /// As it is written in documents, commands and cluster names.
    pub fn as_str(self) -> &'static str {
        match self {
            Colour::Blue => "blue",
            Colour::Green => "green",
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no colour.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no environment: write blue or green")]
pub struct ParseColourError(String);

impl FromStr for Colour {
    type Err = ParseColourError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "blue" => Ok(Colour::Blue),
            "green" => Ok(Colour::Green),
            other => Err(ParseColourError(other.to_owned())),
        }
    }
}
