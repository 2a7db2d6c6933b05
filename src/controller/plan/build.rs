//! From a draft to its snapshot: built, checked, and for a switch held to routes alone.
//!
//! Named invariant: **a switch changes routes only**.

use std::sync::Arc;

use super::{
    checks::{not_only_routes, verify},
    draft::{Draft, Making},
    input::input,
    restore,
};
use crate::{
    controller::request::{Command, CommandError, Request},
    release::{FleetState, Notice, Reason, Refusal},
    snapshot::{self, Input, Snapshot},
    store::Head,
};

/// Builds the snapshots of one fleet.
#[derive(Default)]
pub(in crate::controller) struct Builder {
    /// The builder's input for a state, so that only what differs is made anew.
    known: Option<(Arc<FleetState>, Arc<Input>)>,
}

impl Builder {
    /// The snapshot of a draft, which follows `old`, that of the head.
    pub fn build(
        &mut self,
        request: &Request,
        head: Option<&Head>,
        old: &Arc<Snapshot>,
        draft: &mut Draft,
    ) -> Result<Snapshot, CommandError> {
        let before = self.input_of(head);
        let known = head.map(|head| (&*head.state, &*before));
        let after = input(&draft.state, known);
        let built = match draft.making {
            Making::Rebuild => snapshot::rebuild(old, &after),
            _ => snapshot::build(old, &before, &after),
        }
        .map_err(|error| {
            // What can't be built is no matter of insisting: an author has to correct the document.
            let (reason, remedy) = match request.command {
                Command::Apply { .. } => (Reason::BadInput, "correct the document"),
                _ => (
                    Reason::InvalidResources,
                    "correct and apply the document first",
                ),
            };
            Refusal::new(
                reason,
                error.to_string(),
                format!("{remedy}; nothing was changed"),
            )
        })?;
        draft
            .notices
            .extend(built.warnings.into_iter().map(|text| Notice {
                kind: "warning",
                text,
            }));
        let new = match &draft.making {
            Making::Restore { then, exact } => {
                restore::snapshot(old, &built.snapshot, then, *exact, &draft.state)
            }
            _ => built.snapshot,
        };
        if let Making::RoutesOnly { waived } = draft.making
            && let Err(others) = snapshot::only_routes_differ(old, &new)
        {
            let name = Reason::NotOnlyRoutes.name().to_owned();
            if !waived {
                return Err(not_only_routes(&request.command, &others).into());
            }
            draft.waived.push(name);
        }
        verify(request, old, &new, &mut draft.notices)?;
        Ok(new)
    }

    /// The builder's input for the head, remembered from the turn before.
    fn input_of(&mut self, head: Option<&Head>) -> Arc<Input> {
        let Some(head) = head else {
            return Arc::default();
        };
        if let Some((state, input)) = &self.known
            && Arc::ptr_eq(state, &head.state)
        {
            return input.clone();
        }
        let known = self
            .known
            .as_ref()
            .map(|(state, input)| (&**state, &**input));
        let made = Arc::new(input(&head.state, known));
        self.known = Some((head.state.clone(), made.clone()));
        made
    }
}
