//! Declared documents as the server keeps them: fetched, parsed, and as YAML that `apply` takes.

use serde_json::Value;

use super::{client::Context, error::Error, kind::Kind, out};
use crate::api;

/// A declared document.
pub(super) struct Document {
    pub kind: String,
    pub name: String,
    pub fleet: String,
    /// As in force: what was applied, with the deployments of today.
    pub value: Value,
    /// Paths at which the last applied document says something else.
    pub drift: Vec<String>,
}

/// The documents of a kind, of a name, of a fleet; `None` and empty mean all.
pub(super) async fn fetch(
    cx: &Context,
    kind: Option<Kind>,
    name: &str,
    fleet: &str,
) -> Result<Vec<Document>, Error> {
    let request = api::GetDocumentsRequest {
        kind: kind.map(Kind::name).unwrap_or_default().to_owned(),
        name: name.to_owned(),
        fleet: fleet.to_owned(),
    };
    let answer = cx.connect().await?.get_documents(request).await;
    let documents = answer.map_err(|e| cx.failed(&e))?.into_inner().documents;
    if let (Some(kind), false, true) = (kind, name.is_empty(), documents.is_empty()) {
        return Err(Error::NotFound(format!(
            "there is no {} {name}",
            kind.word()
        )));
    }
    documents.into_iter().map(parse).collect()
}

fn parse(document: api::Document) -> Result<Document, Error> {
    let value = serde_json::from_str(&document.json).map_err(|e| Error::Answer {
        what: format!("{} {}", document.kind, document.name),
        message: e.to_string(),
    })?;
    Ok(Document {
        kind: document.kind,
        name: document.name,
        fleet: document.fleet,
        value,
        drift: document.drift,
    })
}

/// All of them as one YAML text that `apply -f` takes.
pub(super) fn to_yaml(documents: &[Document]) -> Result<String, Error> {
    let texts: Result<Vec<String>, Error> = documents.iter().map(|d| out::yaml(&d.value)).collect();
    Ok(texts?.join("---\n"))
}

/// All of them as one JSON list.
pub(super) fn to_json(documents: &[Document]) -> Result<String, Error> {
    let values: Vec<&Value> = documents.iter().map(|document| &document.value).collect();
    out::json(&values)
}
