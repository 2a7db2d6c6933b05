//! A command that was not carried out: why, and what the operator can do.

use crate::{
    model::{Name, Revision},
    release::{Reason, Refusal},
    store::{CommitError, StoreError},
};

/// A command that was not carried out. Nothing was changed, unless it says that the outcome is unknown.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store would not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The fleet's state could not be put together.
    #[error("fleet {fleet}: {detail}")]
    Internal {
        /// The fleet.
        fleet: Name,
        /// What is wrong.
        detail: String,
    },
    /// What was checked before the turn has changed; the checks are made again.
    #[error("{service} changed while the command on it was checked")]
    Stale {
        /// The service.
        service: Name,
    },
    /// The server is going down.
    #[error("the server is shutting down: nothing was changed")]
    Stopping,
}

impl CommandError {
    /// The reason that programs see; None: the server's own trouble.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason),
            Self::Commit(CommitError::Conflict { .. }) => Some(Reason::FleetMovedOn),
            Self::Commit(
                CommitError::DiskFull { .. }
                | CommitError::FilesFull { .. }
                | CommitError::ReserveUsedUp,
            ) => Some(Reason::StoreFull),
            Self::Commit(_) | Self::Store(_) => Some(Reason::StoreFailed),
            Self::Stale { .. } => Some(Reason::FleetMovedOn),
            Self::Internal { .. } | Self::Stopping => None,
        }
    }

    /// What the operator can do next.
    pub fn remedy(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.remedy.clone(),
            Self::Commit(error) => error.remedy().to_owned(),
            Self::Store(_) => "see the server's log; proxies go on with what they have".to_owned(),
            Self::Stale { .. } => "try again".to_owned(),
            Self::Internal { .. } => "report this with the server's log".to_owned(),
            Self::Stopping => "send the command again when the server is back".to_owned(),
        }
    }
}

/// A refusal because something named does not exist.
pub(in crate::controller) fn not_found(what: &str, name: &str) -> Refusal {
    Refusal::new(
        Reason::NotFound,
        format!("there is no {what} {name:?}"),
        "see `bluegreen get` for what there is",
    )
}

/// What of several services is refused, where all of them do something or none does.
#[derive(Default)]
pub(in crate::controller) struct Refusals(Vec<(Name, Refusal)>);

impl Refusals {
    /// Enters what came of one service.
    ///
    /// # Errors
    /// What is no refusal: it ends the others too.
    pub fn enter(
        &mut self,
        service: &Name,
        result: Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        match result {
            Err(CommandError::Refused(refusal)) => self.0.push((service.clone(), refusal)),
            other => return other,
        }
        Ok(())
    }

    /// Whether something of that service is refused.
    pub fn has(&self, service: &Name) -> bool {
        self.0.iter().any(|(refused, _)| refused == service)
    }

    /// Of how many services it is.
    ///
    /// # Errors
    /// Something is refused; what it is is said of each.
    pub fn none_of(mut self, all: usize) -> Result<(), CommandError> {
        let count = self.0.len();
        let Some((first, refusal)) = self.0.first_mut() else {
            return Ok(());
        };
        let remedy = std::mem::take(&mut refusal.remedy);
        let (first, reason) = (first.clone(), refusal.reason);
        let each: Vec<String> = self
            .0
            .iter()
            .map(|(service, refusal)| {
                let mut why = format!("{service}: {}", refusal.message);
                // The whole has the first one's reason.
                if refusal.reason != reason {
                    why.push_str(&format!(" ({})", refusal.reason.name()));
                }
                why
            })
            .collect();
        Err(Refusal::new(
            reason,
            format!(
                "{count} of {all} services stand in the way, so none is moved: {}",
                each.join("; ")
            ),
            format!("{first}: {remedy}"),
        )
        .into())
    }
}

/// A refusal because the fleet is somewhere else than the operator believes.
pub(in crate::controller) fn moved_on(fleet: &Name, wanted: Revision, actual: Revision) -> Refusal {
    Refusal::new(
        Reason::FleetMovedOn,
        format!("fleet {fleet} is at revision {actual}, not {wanted}"),
        format!("see `bluegreen history {fleet}` for what changed, then try again"),
    )
}
