//! Documents against what is in force: `apply`'s three-way merge, `delete`, and documents as they stand today.

use std::sync::Arc;

use serde_json::Value;

use super::draft::{Draft, Ground};
use crate::{
    controller::{
        named::sentences,
        request::{CommandError, Declared, Documents, not_found},
    },
    model::{self, DocumentKind, FleetConflict, GroupSpec, Name, ResourceSet, ServiceSpec},
    release::{
        self, Event, FleetState, GroupState, Notice, Reason, Refusal, ResourceState, ServiceState,
    },
};

/// `spec` of a service as it is in force: the declaration, with the deployments and the live environment of today.
pub fn in_force(service: &ServiceState) -> Value {
    // A declaration is made of text, numbers and lists only, which all have a JSON form.
    serde_json::to_value(service.in_force()).unwrap_or_default()
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
    allowed: Allowed,
) -> Result<(), CommandError> {
    for document in &documents.services {
        apply_service(draft, ground, document, allowed)?;
    }
    for document in &documents.resources {
        apply_resources(draft, document);
    }
    for document in &documents.groups {
        apply_group(draft, document);
    }
    if draft.changed {
        whole_groups(&draft.state)?;
        in_each_others_way(draft, ground, allowed.no_verify)?;
    }
    Ok(())
}

/// What the operator insists on.
#[derive(Clone, Copy)]
pub(super) struct Allowed {
    pub no_verify: bool,
    pub replace_standby: bool,
    pub force: bool,
}

/// Refuses services that take each other's requests or ports, but for those that did before: a change must not be
/// held up by what somebody else insisted on.
fn in_each_others_way(
    draft: &mut Draft,
    ground: &Ground<'_>,
    no_verify: bool,
) -> Result<(), Refusal> {
    let conflicts_of = |state: &FleetState| {
        let specs = state.services.iter();
        let specs = specs.map(|(name, service)| (name.clone(), service.spec.clone()));
        model::validate_fleet(&specs.collect())
    };
    let mut conflicts = conflicts_of(&draft.state);
    if conflicts.is_empty() {
        return Ok(());
    }
    let known = ground.head.map(|head| conflicts_of(&head.state));
    conflicts.retain(|conflict| !known.iter().flatten().any(|known| known == conflict));
    if no_verify {
        draft
            .notices
            .extend(conflicts.iter().map(|conflict| Notice {
                kind: "warning",
                text: conflict.to_string(),
            }));
        return Ok(());
    }
    let Some(first) = conflicts.first() else {
        return Ok(());
    };
    let all: Vec<String> = conflicts.iter().map(FleetConflict::to_string).collect();
    Err(Refusal::new(
        Reason::BadInput,
        sentences(&all),
        format!("{}; nothing was changed", first.remedy()),
    ))
}

/// Refuses a declaration that holds what no document may.
fn valid(name: &Name, spec: &ServiceSpec) -> Result<(), Refusal> {
    match model::validate_service(spec).first() {
        None => Ok(()),
        Some(invalid) => Err(Refusal::new(
            Reason::BadInput,
            format!("service {name}, with what is in force: {invalid}"),
            format!("compare with `bluegreen get service {name} -o yaml`; nothing was changed"),
        )),
    }
}

fn apply_service(
    draft: &mut Draft,
    ground: &Ground<'_>,
    document: &Declared<ServiceSpec>,
    allowed: Allowed,
) -> Result<(), CommandError> {
    let name = &document.name;
    let exec = document
        .spec
        .release
        .as_ref()
        .is_some_and(|it| it.has_exec());
    if exec && !ground.allow_exec_hooks {
        return Err(Refusal::new(
            Reason::BadInput,
            format!("service {name}: spec.release.hooks: exec runs programs on the server, which this one does not allow"),
            "use webhook, or start the server with --allow-exec-hooks",
        )
        .into());
    }
    let Some(state) = draft.state.services.get(name).cloned() else {
        valid(name, &document.spec)?;
        // It was there before the turn, and was deleted since.
        if !ground.context.released.contains_key(name) {
            let service = name.clone();
            return Err(CommandError::Stale { service });
        }
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
    let spec: ServiceSpec = serde_json::from_value(merged.value).map_err(|error| {
        Refusal::new(
            Reason::BadInput,
            format!("service {name}, merged with what is in force, is no valid document: {error}"),
            format!("compare with `bluegreen get service {name} -o yaml`"),
        )
    })?;
    valid(name, &spec)?;
    let event = Event::Apply {
        applied: document.applied.clone(),
        spec,
        replace_standby: allowed.replace_standby,
        force: allowed.force,
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

fn apply_group(draft: &mut Draft, document: &Declared<GroupSpec>) {
    let name = &document.name;
    let old = draft.state.groups.get(name);
    if old.is_some_and(|old| *old.spec == document.spec) {
        return;
    }
    let verb = if old.is_none() { "declared" } else { "changed" };
    let spec = Arc::new(document.spec.clone());
    draft
        .state
        .groups
        .insert(name.clone(), Arc::new(GroupState { spec }));
    draft.changed = true;
    draft.done.push(format!("{verb} group {name}"));
}

/// Refuses a group that could not be switched, or that a command could take for a service.
fn whole_groups(state: &FleetState) -> Result<(), Refusal> {
    for (name, group) in &state.groups {
        if state.services.contains_key(name) {
            return Err(Refusal::new(
                Reason::BadInput,
                format!("{name} would be a service and a group: `switch {name}` could mean either"),
                "give the group another name; nothing was changed",
            ));
        }
        let missing = |service: &&Name| !state.services.contains_key(*service);
        if let Some(service) = group.spec.services.iter().find(missing) {
            return Err(Refusal::new(
                Reason::BadInput,
                format!("group {name} names {service}, which is no service of this fleet"),
                "apply the service in the same go or before, or take it out of the group",
            ));
        }
    }
    Ok(())
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
        DocumentKind::Group => draft.state.groups.remove(name).is_some(),
    };
    if !found {
        return Err(not_found(kind.as_str(), name.as_str()).into());
    }
    let mut groups = draft.state.groups.iter();
    let needs = groups.find(|(_, group)| group.spec.services.contains(name));
    if let (DocumentKind::Service, Some((group, _))) = (kind, needs) {
        return Err(Refusal::new(
            Reason::BadInput,
            format!("group {group} names {name}, and would name a service that there is not"),
            format!("take it out of the group, or delete that first: `bluegreen delete group {group}`; nothing was changed"),
        )
        .into());
    }
    draft.changed = true;
    if kind == DocumentKind::Service {
        draft.services.push(name.clone());
    }
    draft.done.push(format!("deleted {} {name}", kind.as_str()));
    Ok(())
}
