//! Documents against what is in force: `apply`'s three-way merge, `delete`, and documents as they stand today.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Declared, Documents,
    draft::{Draft, Ground},
    error::{CommandError, not_found},
};
use crate::{
    model::{self, Colour, DocumentKind, EnvironmentSpec, Name, ResourceSet, ServiceSpec},
    release::{self, Event, Notice, Reason, Refusal, ResourceState, ServiceState},
};

/// `spec` of a service as it is in force: the declaration, with the deployments and the live environment of today.
pub fn in_force(service: &ServiceState) -> Value {
    let mut spec = ServiceSpec::clone(&service.spec);
    spec.live = service.live;
    for colour in Colour::BOTH {
        let deployment = service.environment(colour).deployment.as_ref();
        spec.environments.set(
            colour,
            deployment.map(|deployment| EnvironmentSpec {
                version: deployment.version.clone(),
                endpoints: deployment.endpoints.clone(),
            }),
        );
    }
    // A declaration is made of text, numbers and lists only, which all have a JSON form.
    serde_json::to_value(&spec).unwrap_or_default()
}

/// The paths at which the document as last applied says something else than what is in force.
pub fn drift(service: &ServiceState) -> Vec<String> {
    model::merge(Some(&service.applied), &service.applied, &in_force(service)).drift
}

/// Declares the documents of one fleet.
pub(super) fn apply(
    draft: &mut Draft,
    ground: &Ground<'_>,
    documents: &Documents,
    replace_standby: bool,
    force: bool,
) -> Result<(), CommandError> {
    for document in &documents.services {
        apply_service(draft, ground, document, replace_standby, force)?;
    }
    for document in &documents.resources {
        apply_resources(draft, document);
    }
    Ok(())
}

fn apply_service(
    draft: &mut Draft,
    ground: &Ground<'_>,
    document: &Declared<ServiceSpec>,
    replace_standby: bool,
    force: bool,
) -> Result<(), CommandError> {
    let name = &document.name;
    let Some(state) = draft.state.services.get(name).cloned() else {
        let step = release::create(
            name.clone(),
            document.applied.clone(),
            document.spec.clone(),
            &ground.context,
        )?;
        draft.take(name, step);
        return Ok(());
    };
    let merged = model::merge(Some(&state.applied), &document.applied, &in_force(&state));
    let spec = serde_json::from_value(merged.value).map_err(|error| {
        Refusal::new(
            Reason::BadInput,
            format!("service {name}, merged with what is in force, is no valid document: {error}"),
            format!("compare with `bluegreen get service {name} -o yaml`"),
        )
    })?;
    let event = Event::Apply {
        applied: document.applied.clone(),
        spec,
        replace_standby,
        force,
    };
    let step = release::step(&state, &event, &ground.context)?;
    draft.take(name, step);
    // Drift is told after the step, of what is in force then: what the author changed is no drift.
    if !merged.drift.is_empty() {
        draft.notices.push(Notice {
            kind: "drift",
            text: format!(
                "service {name}: the file says something else than what is in force at {}; what is in force stays",
                merged.drift.join(", ")
            ),
        });
    }
    Ok(())
}

fn apply_resources(draft: &mut Draft, document: &Declared<ResourceSet>) {
    let name = &document.name;
    let old = draft.state.resources.get(name);
    let changed = old.is_none_or(|old| *old.set != document.spec);
    let applied = old.is_none_or(|old| old.applied != document.applied);
    if !changed && !applied {
        return;
    }
    let verb = if old.is_none() { "declared" } else { "changed" };
    draft.state.resources.insert(
        name.clone(),
        Arc::new(ResourceState {
            set: Arc::new(document.spec.clone()),
            applied: document.applied.clone(),
        }),
    );
    draft.changed = true;
    draft.done.push(format!("{verb} Envoy resources {name}"));
}

/// Deletes one document and everything that was built from it.
pub(super) fn delete(
    draft: &mut Draft,
    kind: DocumentKind,
    name: &Name,
) -> Result<(), CommandError> {
    let found = match kind {
        DocumentKind::Service => draft.state.services.remove(name).is_some(),
        DocumentKind::EnvoyResources => draft.state.resources.remove(name).is_some(),
    };
    if !found {
        return Err(not_found(kind.as_str(), name.as_str()).into());
    }
    draft.changed = true;
    if kind == DocumentKind::Service {
        draft.services.push(name.clone());
    }
    draft.done.push(format!("deleted {} {name}", kind.as_str()));
    Ok(())
}
