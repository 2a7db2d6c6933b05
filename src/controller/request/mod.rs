//! What is asked of a fleet, by whom, and what came of it: values, without a fleet.

mod accepted;
mod class;
mod command;
mod documents;
mod error;
mod fingerprint;

use jiff::Timestamp;

pub(in crate::controller) use accepted::ms_between;
pub use accepted::{Accepted, Ended, Plan, Tell};
pub use command::Command;
pub use documents::{Declared, Documents};
pub use error::CommandError;
pub(in crate::controller) use error::{Refusals, moved_on, not_found};

use crate::{
    model::{Colour, NackWish, Name, Revision},
    release::Event,
};

/// One command on one fleet.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Unique per command: the same id again does nothing twice.
    pub operation_id: String,
    /// Who asks.
    pub actor: String,
    /// False: the actor is only what the client claims.
    pub actor_verified: bool,
    /// Why, for the history.
    pub message: String,
    /// Plan and check only.
    pub dry_run: bool,
    /// Refuse unless the fleet is at exactly this revision.
    pub if_revision: Option<Revision>,
    /// When the command arrived at the server.
    pub arrived_at: Timestamp,
    /// What the operator says of proxies that reject the revision.
    pub policy: NackWish,
    /// Preconditions that the operator gives up.
    pub waivers: Waivers,
}

/// Who the server is in the history. An operator of that name is not verified.
const SERVER: &str = "bluegreen";

impl Request {
    /// The server gives it itself.
    pub(in crate::controller) fn is_automatic(&self) -> bool {
        self.actor_verified && self.actor == SERVER
    }

    /// A command that the server gives itself.
    pub(in crate::controller) fn by_server(command: Command, now: Timestamp) -> Self {
        Self {
            command,
            operation_id: String::new(),
            actor: SERVER.to_owned(),
            actor_verified: true,
            message: String::new(),
            dry_run: false,
            if_revision: None,
            arrived_at: now,
            policy: NackWish::default(),
            waivers: Waivers::default(),
        }
    }
}

/// The operation id of the revert of a revision: at most one is ever made.
pub(in crate::controller) fn revert_id(fleet: &Name, revision: Revision) -> String {
    format!("revert-{fleet}-{revision}")
}

/// Preconditions of a switch that the operator gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waivers {
    /// So many proxies of the roster may not have the target's endpoints yet.
    pub allow_lagging: u32,
    /// Don't ask the target's endpoints whether they answer.
    pub skip_probe: bool,
    /// The gates need not have passed.
    pub skip_gates: bool,
    /// All of them, and an environment that was rolled back may go live again.
    pub force: bool,
}

impl Waivers {
    /// A switch with these preconditions given up.
    pub(in crate::controller) fn switch(&self, to: Option<Colour>) -> Event {
        Event::Switch {
            to,
            force: self.force,
            skip_gates: self.skip_gates,
        }
    }
}
