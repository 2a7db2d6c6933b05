//! PURE. Roster and ledger: which proxies belong to a fleet, and what each was sent, accepted and rejected.

mod ledger;
mod proof;
mod record;
mod row;

pub use ledger::{ForgetError, Ledger};
pub use proof::{NotAcked, NotAckedState, Proof, Requirement};
pub use record::{ProxyInfo, ProxyView, Record, RosterEntry, StreamId, TypeState, TypeView};
