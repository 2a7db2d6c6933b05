//! Who may still need a fleet.

use std::sync::Arc;

/// Held by everybody who may still need a fleet, its own tasks excepted. A fleet that nothing is declared for is given
/// up when nobody does.
#[derive(Clone, Debug, Default)]
pub struct Lease(Arc<()>);

impl Lease {
    /// Nobody else holds it.
    pub(super) fn is_the_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}
