//! How a proxy stood against what was asked last. Who follows a push asks the same of thousands of proxies again and again, and
//! of nearly all the answer has not changed: it is here, in the row itself, instead of in three lists that it refers to.

use jiff::Timestamp;

use super::{NotAckedState, Requirement, acceptances::Marks};
use crate::model::Revision;

/// An answer, and to what. Others than these two are longer, and rare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stands {
    revision: Revision,
    /// The types that were asked about.
    of: Marks,
    /// It has all of it, since then; or it is connected and has not answered.
    accepted: Option<Option<Timestamp>>,
}

impl Stands {
    /// What is kept of an answer, if anything is.
    pub(super) fn of(
        requirement: &Requirement,
        told: &Result<Option<Timestamp>, NotAckedState>,
    ) -> Option<Self> {
        let accepted = match told {
            Ok(at) => Some(*at),
            Err(NotAckedState::Pending) => None,
            Err(
                NotAckedState::Disconnected(_)
                | NotAckedState::Newer(_)
                | NotAckedState::Nacked { .. },
            ) => return None,
        };
        Some(Self {
            revision: requirement.revision,
            of: asked(requirement),
            accepted,
        })
    }

    /// Whether it is the answer to this.
    pub(super) fn against(&self, requirement: &Requirement) -> bool {
        self.revision == requirement.revision && self.of == asked(requirement)
    }

    /// The answer.
    pub(super) fn told(self) -> Result<Option<Timestamp>, NotAckedState> {
        self.accepted.ok_or(NotAckedState::Pending)
    }
}

/// All that tells requirements of a revision apart.
fn asked(requirement: &Requirement) -> Marks {
    let types = requirement.types.iter();
    let of = types.fold(Marks::NONE, |of, type_url| of.and(Marks::of(*type_url)));
    match requirement.weights_only {
        true => of.and(Marks::WEIGHTS),
        false => of,
    }
}
