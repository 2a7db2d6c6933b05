//! PURE. Roster and ledger: which proxies belong to a fleet, and what each was sent, accepted and rejected.

mod acceptances;
mod ledger;
mod member;
mod proof;
mod record;
mod row;
mod sharded;
mod software;
mod standing;
mod stream;
mod types;

pub use ledger::{Counts, ForgetError, Ledger};
pub use proof::{NotAcked, NotAckedState, Proof, Requirement};
pub use record::{ProxyInfo, ProxyView, Record, RosterEntry, StreamId, TypeState, TypeView};
pub use software::{OLDEST_ENVOY, is_grpc, software_warning};
