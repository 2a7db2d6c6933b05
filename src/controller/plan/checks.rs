//! What a new snapshot must pass before it is stored.

use std::collections::BTreeSet;

use crate::{
    controller::{
        named::sentences,
        request::{Command, Request},
    },
    release::{Notice, Reason, Refusal},
    snapshot::{self, Change, Severity, Snapshot},
};

/// Refuses what Envoy would accept and then serve nobody with, but for what was there before: a change must not be
/// held up by what somebody else insisted on. Warnings are told.
pub(super) fn verify(
    request: &Request,
    old: &Snapshot,
    new: &Snapshot,
    notices: &mut Vec<Notice>,
) -> Result<(), Refusal> {
    let mut problems = snapshot::check_since(old, new);
    if problems.is_empty() {
        return Ok(());
    }
    let known = snapshot::check(old);
    problems.retain(|problem| !known.contains(problem));
    let insists = request.command.insists();
    let (errors, warnings): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|problem| problem.severity == Severity::Error && !insists);
    notices.extend(warnings.into_iter().map(|problem| Notice {
        kind: "warning",
        text: format!("{problem}: {}", problem.remedy),
    }));
    if errors.is_empty() {
        return Ok(());
    }
    let remedies: BTreeSet<&str> = errors.iter().map(|one| one.remedy.as_str()).collect();
    let remedies = sentences(&remedies.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Err(Refusal::new(
        Reason::InvalidResources,
        format!("the resources would be wrong: {}", sentences(&errors)),
        format!("{remedies}; or insist with --no-verify"),
    ))
}

/// The traffic would not be all that moves.
pub(super) fn not_only_routes(command: &Command, others: &[Change]) -> Refusal {
    let remedy = "run `bluegreen rebuild` or apply that change first";
    // What goes back has no such flag.
    let remedy = match command.checked() {
        [] => remedy.to_owned(),
        _ => format!("{remedy}, or use --force"),
    };
    let named: Vec<String> = others.iter().map(ToString::to_string).collect();
    Refusal::new(
        Reason::NotOnlyRoutes,
        format!(
            "moving the traffic would change more than route configurations: {}",
            sentences(&named)
        ),
        remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn only_commands_that_have_it_are_told_of_force() {
        let service = Name::parse("fraud-model").unwrap();
        let tells = |command: Command| not_only_routes(&command, &[]).remedy.contains("--force");
        assert!(tells(Command::Switch {
            service: service.clone(),
            to: None
        }));
        assert!(!tells(Command::Rollback { service }));
    }
}
