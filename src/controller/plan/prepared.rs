//! What a command needs from outside its fleet, as it was found before its turn.

use std::{collections::BTreeMap, sync::Arc};

use super::target::Target;
use crate::{
    controller::options::{Addresses, ResolveError},
    model::Name,
    store::Head,
};

/// What was found.
#[derive(Default)]
pub(in crate::controller) struct Prepared {
    /// Of the host names that resolve.
    pub addresses: Addresses,
    /// The others.
    pub unresolved: Vec<ResolveError>,
    /// The number of the newest release that is known of a name, for services that would be made or come back.
    pub released: BTreeMap<Name, u64>,
    /// The revision that the command names, and the one before it where that matters.
    pub then: Option<Arc<Head>>,
    pub before_then: Option<Arc<Head>>,
    /// What the checks of a switch were about, by service.
    pub targets: BTreeMap<Name, Target>,
    /// Preconditions that were waived and would not, or may not, have held.
    pub waived: Vec<String>,
}
