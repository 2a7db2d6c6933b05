//! Whom the name in a request stands for: a service, or a group of them.

use tonic::Status;

use super::errors::{bad_input, not_found};
use crate::{
    controller::{Controllers, Handle},
    model::{DocumentKind, Name},
};

/// The fleet of a service.
///
/// # Errors
/// There is no such service. Where the name is a group's, this says which services are meant.
pub(super) fn service(controllers: &Controllers, name: &str) -> Result<Handle, Status> {
    if let Some(fleet) = controllers.fleet_of_service(name) {
        return Ok(fleet);
    }
    Err(match group(controllers, name) {
        Some(members) => a_group(name, &members),
        None => not_found("service", name),
    })
}

/// The services of a group, if the name is one; that of a service goes before.
pub(super) fn group(controllers: &Controllers, name: &str) -> Option<Vec<Name>> {
    if controllers.fleet_of_service(name).is_some() {
        return None;
    }
    let head = controllers.fleet_of(DocumentKind::Group, name)?.head()?;
    let (_, group) = head
        .state
        .groups
        .iter()
        .find(|(known, _)| known.as_str() == name)?;
    Some(group.spec.services.clone())
}

fn a_group(name: &str, members: &[Name]) -> Status {
    let members: Vec<&str> = members.iter().map(Name::as_str).collect();
    bad_input(
        format!("{name:?} is a group, and this is asked of a service"),
        format!(
            "name one of its services: {}; only `bluegreen switch` and `bluegreen rollback` take a group",
            members.join(", ")
        ),
    )
}
