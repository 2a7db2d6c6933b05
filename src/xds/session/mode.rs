//! The two modes of the protocol.

use crate::model::TypeUrl;

/// How a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// State of the world: lists.
    Sotw,
    /// Incremental: changes.
    Delta,
}

impl Mode {
    /// Whether responses of that type hold everything subscribed, so that absence deletes.
    pub(super) fn is_whole(self, type_url: TypeUrl) -> bool {
        self == Mode::Sotw && type_url.is_full_state()
    }
}
