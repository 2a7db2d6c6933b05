//! Reads what users write: Kubernetes-shaped documents, YAML or JSON, several per file.

mod field_error;
mod scalar;
#[cfg(test)]
mod tests;
mod tree;
mod typed;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    GroupSpec, Name, ResourceSet, ServiceSpec,
    path::Path,
    validate::{validate_group, validate_resources, validate_service},
};
use crate::text::escaped;
pub use tree::MAX_TEXT;

use field_error::FieldError;
use tree::{Node, What};

/// The only version of the documents there is.
pub const API_VERSION: &str = "bluegreen/v1";

/// The longest description of a problem, in characters: it is one line, whatever the document holds.
const MAX_PROBLEM: usize = 400;

/// What a document declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DocumentKind {
    /// A service with its two environments.
    Service,
    /// The user's own Envoy configuration.
    EnvoyResources,
    /// Services that are switched together.
    Group,
}

impl DocumentKind {
    /// All of them.
    pub const ALL: [DocumentKind; 3] = [
        DocumentKind::Service,
        DocumentKind::EnvoyResources,
        DocumentKind::Group,
    ];

    /// As it stands after `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            DocumentKind::Service => "Service",
            DocumentKind::EnvoyResources => "EnvoyResources",
            DocumentKind::Group => "Group",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no kind of document.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no kind of document: write Service, EnvoyResources or Group")]
pub struct ParseKindError(String);

impl FromStr for DocumentKind {
    type Err = ParseKindError;

    /// In any case, and in the plural too, as kubectl takes it in commands.
    fn from_str(text: &str) -> Result<Self, ParseKindError> {
        match text.to_ascii_lowercase().as_str() {
            "service" | "services" | "svc" => Ok(DocumentKind::Service),
            "envoyresources" | "envoyresource" | "resources" => Ok(DocumentKind::EnvoyResources),
            "group" | "groups" => Ok(DocumentKind::Group),
            _ => Err(ParseKindError(escaped(text, 64))),
        }
    }
}

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it declares.
    pub kind: DocumentKind,
    /// `metadata.name`.
    pub name: Name,
    /// The line of its file on which it begins, from 1.
    pub line: usize,
    /// Its content.
    pub spec: DocumentSpec,
    /// `spec` as it was written, without the fields that were left out: the base of the three-way merge. Fields of
    /// a service that are null count as left out; its versions are text, also where they were written as numbers.
    pub raw: Value,
}

/// The content of a document.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant)] // A document is read and taken apart: boxes would cost more than they save.
pub enum DocumentSpec {
    /// Of `kind: Service`.
    Service(ServiceSpec),
    /// Of `kind: EnvoyResources`.
    EnvoyResources(ResourceSet),
    /// Of `kind: Group`.
    Group(GroupSpec),
}

/// Why a file was not read. Each is one line: what, where, what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DocumentError {
    /// More than [`MAX_TEXT`] bytes.
    #[error("{file} has {bytes} bytes, more than the {MAX_TEXT} that are read: split it")]
    TooLong {
        /// The file.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// No document at all.
    #[error("{file} holds no document: write apiVersion, kind, metadata and spec")]
    Empty {
        /// The file.
        file: String,
    },
    /// Neither YAML nor JSON, or more of it than is read.
    #[error("{problem} ({file} line {line})")]
    Syntax {
        /// The file.
        file: String,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A field that is unknown or missing, or a value that can't be used.
    #[error("{path}: {problem} ({file} line {line})")]
    Field {
        /// The file.
        file: String,
        /// Where, from 1.
        line: usize,
        /// The field, e.g. `spec.environments.blue.endpoint`.
        path: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    kind: DocumentKind,
    metadata: Metadata,
    #[serde(rename = "spec")]
    _spec: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: Name,
}

/// Reads every document of a file: YAML or JSON, separated by `---`, as a list, or as `kind: List` with `items`.
///
/// `file` is only named in errors.
///
/// # Errors
/// The first problem of the file. Never panics, and takes time and memory in proportion to [`MAX_TEXT`] at most.
pub fn parse_documents(file: &str, text: &str) -> Result<Vec<Document>, DocumentError> {
    let file = escaped(file, MAX_PROBLEM);
    if text.len() > MAX_TEXT {
        return Err(DocumentError::TooLong {
            file,
            bytes: text.len(),
        });
    }
    let trees = tree::documents(text).map_err(|error| DocumentError::Syntax {
        file: file.clone(),
        line: error.line,
        problem: escaped(&error.problem, MAX_PROBLEM),
    })?;
    let mut documents = Vec::new();
    for tree in trees {
        for (outer, node) in unpack(tree) {
            let line = node.line;
            let document = document(node).map_err(|error| {
                let path = error.path().under(&outer);
                DocumentError::Field {
                    file: file.clone(),
                    line: error.line.unwrap_or(line),
                    path: if path.is_empty() {
                        "document".to_owned()
                    } else {
                        path.to_string()
                    },
                    problem: escaped(&error.problem, MAX_PROBLEM),
                }
            })?;
            documents.push(document);
        }
    }
    if documents.is_empty() {
        return Err(DocumentError::Empty { file });
    }
    Ok(documents)
}

/// The documents of a list or `kind: List`, or the document itself; with the path to each.
fn unpack(mut tree: Node) -> Vec<(Path, Node)> {
    let is_list = matches!(
        tree.get("kind").map(|kind| &kind.what),
        Some(What::Text(kind)) if kind == "List"
    );
    let (outer, items) = match &mut tree.what {
        What::List(items) => (Path::default(), std::mem::take(items)),
        What::Map(_) if is_list => match tree.get_mut("items").map(|items| &mut items.what) {
            Some(What::List(items)) => (Path::from(["items"]), std::mem::take(items)),
            _ => return vec![(Path::default(), tree)],
        },
        _ => return vec![(Path::default(), tree)],
    };
    let numbered = items.into_iter().enumerate();
    numbered.map(|(at, item)| (outer.join(at), item)).collect()
}

fn document(mut node: Node) -> Result<Document, FieldError> {
    check_api_version(&node)?;
    let envelope: Envelope = typed::read(&node)?;
    let line = node.line;
    let Some(spec) = node.get_mut("spec") else {
        return Err(FieldError::new("is missing").inside("spec").on_line(line));
    };
    let inside = |error: FieldError| error.inside("spec");
    let (spec, raw, invalid) = match envelope.kind {
        DocumentKind::Service => {
            keep_versions_as_written(spec);
            let service = typed::read(spec).map_err(inside)?;
            let invalid = validate_service(&service);
            let raw = spec.to_value(false);
            (DocumentSpec::Service(service), raw, invalid)
        }
        DocumentKind::EnvoyResources => {
            let set = typed::read(spec).map_err(inside)?;
            let invalid = validate_resources(&set);
            let raw = spec.to_value(true);
            (DocumentSpec::EnvoyResources(set), raw, invalid)
        }
        DocumentKind::Group => {
            let group = typed::read(spec).map_err(inside)?;
            let invalid = validate_group(&group);
            let raw = spec.to_value(true);
            (DocumentSpec::Group(group), raw, invalid)
        }
    };
    if let Some(first) = invalid.into_iter().next() {
        let line = node.line_of(&first.path);
        return Err(FieldError::at(first.path, line, first.problem));
    }
    Ok(Document {
        kind: envelope.kind,
        name: envelope.metadata.name,
        line,
        spec,
        raw,
    })
}

/// First of all: what is not ours should be called that, and not be blamed for its fields.
fn check_api_version(node: &Node) -> Result<(), FieldError> {
    match node.get("apiVersion") {
        None => match &node.what {
            What::Map(_) => Ok(()),
            _ => Err(FieldError::new(
                "expected a mapping with apiVersion, kind, metadata and spec",
            )),
        },
        Some(Node {
            what: What::Text(text),
            ..
        }) if text == API_VERSION => Ok(()),
        Some(other) => Err(FieldError::new(format!("write {API_VERSION}"))
            .on_line(other.line)
            .inside("apiVersion")),
    }
}

/// `version: 1.10` means the label "1.10", never the number 1.1.
fn keep_versions_as_written(spec: &mut Node) {
    let Some(environments) = spec.get_mut("environments") else {
        return;
    };
    for colour in super::Colour::BOTH {
        let version = environments
            .get_mut(colour.as_str())
            .and_then(|environment| environment.get_mut("version"));
        if let Some(version) = version
            && let What::Number(_, text) = &version.what
        {
            version.what = What::Text(text.to_string());
        }
    }
}
