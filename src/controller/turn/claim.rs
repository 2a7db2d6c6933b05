//! Names are unique over all fleets: a turn takes those that it adds before its commit.

use crate::{
    controller::{
        handle::Handle,
        plan::Draft,
        request::{Command, CommandError, Request},
    },
    model::DocumentKind,
    release::{FleetState, Reason, Refusal},
};

/// Takes the names that the draft adds, so that no other fleet can at the same time. True: whatever comes of the turn, the
/// index is to be settled after it.
pub(super) fn claim(
    handle: &Handle,
    request: &Request,
    draft: &Draft,
) -> Result<bool, CommandError> {
    let services = draft.state.services.keys();
    let resources = draft.state.resources.keys();
    let groups = draft.state.groups.keys();
    let names = services
        .map(|name| (DocumentKind::Service, name))
        .chain(resources.map(|name| (DocumentKind::EnvoyResources, name)))
        .chain(groups.map(|name| (DocumentKind::Group, name)));
    let index = &handle.0.shared.index;
    let taken = if matches!(
        request.command,
        Command::Apply { .. } | Command::RollbackFleet { .. } | Command::Revert { .. }
    ) {
        index.claim(handle.name(), names, !request.dry_run)
    } else {
        return Ok(!request.dry_run && matches!(request.command, Command::Delete { .. }));
    };
    match taken {
        Ok(()) => Ok(!request.dry_run),
        Err((kind, name, owner)) => {
            let fleet = handle.name();
            let delete = format!("`bluegreen delete {kind} {name}`");
            let (message, remedy) = if matches!(request.command, Command::Apply { .. }) {
                (
                    format!("{kind} {name} belongs to fleet {owner}, not {fleet}"),
                    format!("use another name, or {delete} first"),
                )
            } else {
                (
                    format!(
                        "{kind} {name} would come back to fleet {fleet}, but its name is fleet {owner}'s now"
                    ),
                    format!("{delete} there first, or go back to a revision without it"),
                )
            };
            Err(Refusal::new(Reason::FleetIsFixed, message, remedy).into())
        }
    }
}

/// Makes the index say what the fleet's newest revision says.
pub(super) fn settle(handle: &Handle) {
    let head = handle.head();
    let nothing = FleetState::default();
    let state = head.as_ref().map_or(&nothing, |head| &*head.state);
    handle.0.shared.index.settle(handle.name(), state);
}
