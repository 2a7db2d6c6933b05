//! Leads a stream to its fleet: the fleet's snapshots come from the store's head, its ledger from the controller.

use std::sync::Arc;

use crate::{
    controller::Controllers,
    model::Name,
    snapshot::Snapshot,
    xds::{
        server::{Directory, FleetFeed, JoinError},
        session::Options,
    },
};

/// The fleets of the controllers, as streams see them.
pub struct Fleets {
    /// All fleets.
    pub controllers: Arc<Controllers>,
    /// Proxies of a fleet that nobody declared are refused instead of waiting.
    pub reject_unknown: bool,
    /// How sessions behave where the protocol leaves a choice.
    pub sessions: Options,
}

impl Directory for Fleets {
    fn join(&self, fleet: &Name) -> Result<FleetFeed, JoinError> {
        let declared = |handle: &crate::controller::Handle| handle.head().is_some();
        let known = self.controllers.get(fleet.as_str());
        if self.reject_unknown && !known.as_ref().is_some_and(declared) {
            return Err(JoinError::Unknown {
                fleet: fleet.clone(),
            });
        }
        let handle = self.controllers.join(fleet).map_err(|many| {
            let reason = many.to_string();
            JoinError::TooManyWait { reason }
        })?;
        Ok(FleetFeed {
            snapshots: handle.snapshots(),
            ledger: handle.ledger().clone(),
            telemetry: handle.telemetry().clone(),
            lease: handle
                .lease()
                .map(|lease| Arc::new(lease) as Arc<dyn Send + Sync>),
            options: self.sessions,
        })
    }

    fn past(&self, fleet: &Name) -> Arc<[Arc<Snapshot>]> {
        let handle = self.controllers.get(fleet.as_str());
        handle.map(|handle| handle.past()).unwrap_or_default()
    }
}
