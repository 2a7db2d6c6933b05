//! Where the rows of a check come from: JSON lines in a file, at a URL, or in the document itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// JSON lines: one JSON value a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum DataSource {
    /// A file below the server's folder of check data. The path is relative to it and never leaves it.
    File(String),
    /// An `http://` or `https://` URL, asked by the server with GET. Templates are filled in.
    Url(String),
    /// The rows themselves, for few of them.
    Rows(Vec<Value>),
}

/// Where recent samples of an environment come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SampleSource {
    /// A path asked of every endpoint of both environments with GET; each answers JSON lines.
    Path(String),
    /// A source for each environment.
    Each {
        /// Of the version that the release is about.
        candidate: DataSource,
        /// Of the version that it replaces.
        baseline: DataSource,
    },
}
