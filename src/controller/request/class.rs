//! What kind of command a command is: what it is called, whom it is for, and which rules hold for it.

use super::command::Command;
use crate::{
    model::{DocumentKind, Name, check::Verdict as CheckVerdict},
    release::{Temporary, Verb},
};

impl Command {
    /// As it is kept in the history.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Apply { .. } => "apply",
            Self::Delete { .. } => "delete",
            Self::Deploy { .. } => "deploy",
            Self::Scale { .. } => "scale",
            Self::Switch { .. } => "switch",
            Self::Rollback { .. } => "rollback",
            Self::SwitchGroup { .. } => "switch-group",
            Self::RollbackGroup { .. } => "rollback-group",
            Self::Shift { .. } => "shift",
            Self::Shadow { .. } => "shadow",
            Self::Preview { .. } => "preview",
            Self::End {
                what: Temporary::Shadow,
                ..
            } => "end-shadow",
            Self::End {
                what: Temporary::Preview,
                ..
            } => "end-preview",
            Self::RollbackFleet { .. } => "rollback-fleet",
            Self::Retire { .. } => "retire",
            Self::Release { .. } => "release",
            Self::Steer { verb, .. } => verb.name(),
            Self::Advance { .. } => "advance",
            Self::Decide { verdict, .. } => match verdict {
                CheckVerdict::Approved => "approve",
                CheckVerdict::Rejected => "reject",
            },
            Self::Rebuild => "rebuild",
            Self::Resolved { .. } => "endpoints",
            Self::Revert { .. } => "revert",
        }
    }

    /// The service that it is for, if it is for one.
    pub fn service(&self) -> Option<&Name> {
        match self {
            Self::Deploy { service, .. }
            | Self::Scale { service, .. }
            | Self::Switch { service, .. }
            | Self::Rollback { service }
            | Self::Shift { service, .. }
            | Self::Shadow { service, .. }
            | Self::Preview { service, .. }
            | Self::End { service, .. }
            | Self::Release { service, .. }
            | Self::Steer { service, .. }
            | Self::Advance { service, .. }
            | Self::Decide { service, .. }
            | Self::Retire { service, .. } => Some(service),
            _ => None,
        }
    }

    /// The services that it names; none where it is about a whole fleet, or about other documents.
    pub(in crate::controller) fn services(&self) -> Vec<&Name> {
        match self {
            Self::Apply { documents, .. } => {
                documents.services.iter().map(|one| &one.name).collect()
            }
            Self::Delete {
                kind: DocumentKind::Service,
                name,
                ..
            } => vec![name],
            Self::SwitchGroup { services } | Self::RollbackGroup { services } => {
                services.iter().collect()
            }
            _ => self.service().into_iter().collect(),
        }
    }

    /// The services whose new environment must be fit for traffic.
    pub(in crate::controller) fn checked(&self) -> &[Name] {
        match self {
            Self::Switch { service, .. } | Self::Shift { service, .. } => {
                std::slice::from_ref(service)
            }
            Self::SwitchGroup { services } => services,
            _ => &[],
        }
    }

    /// It goes back to what worked: it waits for no other command, and may use the disk space kept for it.
    pub(in crate::controller) fn is_urgent(&self) -> bool {
        if let Self::Advance { signal, .. } = self {
            return signal.may_go_back();
        }
        matches!(
            self,
            Self::Rollback { .. }
                | Self::RollbackGroup { .. }
                | Self::RollbackFleet { .. }
                | Self::Revert { .. }
                | Self::End { .. }
                | Self::Steer {
                    verb: Verb::Abort,
                    ..
                }
        )
    }

    /// The server gives it itself, and nobody else can.
    pub(in crate::controller) fn is_internal(&self) -> bool {
        matches!(
            self,
            Self::Resolved { .. } | Self::Revert { .. } | Self::Advance { .. }
        )
    }

    /// Rejections of its revision are acted on. What goes back is never taken back itself.
    pub(in crate::controller) fn is_watched(&self) -> bool {
        !self.is_urgent() && !matches!(self, Self::Resolved { .. })
    }

    /// Reference checks don't stop it. What goes back to an earlier state is as good as that was.
    pub(in crate::controller) fn insists(&self) -> bool {
        match self {
            Self::Apply { no_verify, .. } | Self::Delete { no_verify, .. } => *no_verify,
            _ => self.is_urgent(),
        }
    }
}
