//! Services that are released together.

use serde::{Deserialize, Serialize};

use super::Name;

/// The most services of one group: their routes change in one push, and a person reads what is said of each.
pub const MAX_GROUP: usize = 1000;

/// `spec` of `kind: Group`: services of one fleet whose traffic moves in one revision, all of them or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupSpec {
    /// The fleet of all of them.
    pub fleet: Name,
    /// The services, each once.
    pub services: Vec<Name>,
}
