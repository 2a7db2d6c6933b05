//! Declared documents as they are in force.

use serde_json::{Value, json};
use tonic::Status;

use super::errors::{bad_input, not_found};
use crate::{
    api,
    controller::{Controllers, drift, in_force},
    model::{API_VERSION, DocumentKind, Name},
};

/// Documents by kind and name, all or some.
pub(super) fn get(
    controllers: &Controllers,
    request: &api::GetDocumentsRequest,
) -> Result<api::GetDocumentsResponse, Status> {
    let kind: Option<DocumentKind> = if request.kind.is_empty() {
        None
    } else {
        let kind = request.kind.parse();
        Some(kind.map_err(|error| bad_input(format!("{error}"), "see `bluegreen get --help`"))?)
    };
    let mut documents = Vec::new();
    for handle in controllers.fleets() {
        if !request.fleet.is_empty() && handle.name().as_str() != request.fleet {
            continue;
        }
        let Some(head) = handle.head() else {
            continue;
        };
        for service in head.state.services.values() {
            let spec = in_force(service);
            let mut document = document(DocumentKind::Service, &service.name, handle.name(), &spec);
            document.drift = drift(service);
            documents.push(document);
        }
        for (name, resources) in &head.state.resources {
            // What is declared is text, numbers and lists, which always have a JSON form.
            let spec = serde_json::to_value(&*resources.set).unwrap_or_default();
            let kind = DocumentKind::EnvoyResources;
            documents.push(document(kind, name, handle.name(), &spec));
        }
        for (name, group) in &head.state.groups {
            let spec = serde_json::to_value(&*group.spec).unwrap_or_default();
            documents.push(document(DocumentKind::Group, name, handle.name(), &spec));
        }
    }
    documents.retain(|document| {
        kind.is_none_or(|kind| document.kind == kind.as_str())
            && (request.name.is_empty() || document.name == request.name)
    });
    if documents.is_empty() && !request.name.is_empty() {
        let what = kind.map_or("document", DocumentKind::as_str);
        return Err(not_found(what, &request.name));
    }
    documents.sort_by(|a, b| (&b.kind, &a.name).cmp(&(&a.kind, &b.name)));
    Ok(api::GetDocumentsResponse { documents })
}

fn document(kind: DocumentKind, name: &Name, fleet: &Name, spec: &Value) -> api::Document {
    let json = json!({
        "apiVersion": API_VERSION,
        "kind": kind.as_str(),
        "metadata": { "name": name.as_str() },
        "spec": spec,
    });
    api::Document {
        kind: kind.as_str().to_owned(),
        name: name.to_string(),
        fleet: fleet.to_string(),
        json: json.to_string(),
        drift: Vec::new(),
    }
}
