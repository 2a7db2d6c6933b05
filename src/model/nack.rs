//! What happens when proxies reject what they are sent, as an operator says it with a command.

use serde::{Deserialize, Serialize};

/// What happens when proxies reject a revision. Kept with the revision and with the release, so that a restart does not forget it,
/// and what the server does by itself later holds to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NackPolicy {
    /// What to do.
    pub on_nack: OnNack,
    /// How many rejections are tolerated before.
    pub max_nack: u32,
}

/// What to do with a revision that is rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnNack {
    /// Take it back by a new revision.
    #[default]
    Revert,
    /// Leave it, and say so.
    Halt,
}

/// What an operator says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NackWish {
    /// None: nothing.
    pub on_nack: Option<OnNack>,
    /// None: nothing.
    pub max_nack: Option<u32>,
}

impl NackWish {
    /// What holds: what was said now, and of the rest what held before.
    pub fn over(self, before: NackPolicy) -> NackPolicy {
        NackPolicy {
            on_nack: self.on_nack.unwrap_or(before.on_nack),
            max_nack: self.max_nack.unwrap_or(before.max_nack),
        }
    }
}
