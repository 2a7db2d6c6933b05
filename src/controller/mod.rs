//! Per fleet the one writer: command or event -> release step -> snapshot build -> store commit.
//!
//! [`Controllers`] has all fleets, a [`Handle`] is the cheap way to one of them. A command is a value
//! ([`Request`]); what it needs from outside (addresses, probes) is found before its turn, and its turn ends with the
//! commit: nobody ever waits behind another one's probes or ACKs. What proxies are served follows the store's head
//! and nothing else.

mod background;
mod delivery;
mod engine;
mod handle;
mod named;
mod open;
mod options;
mod plan;
mod proof;
mod registry;
mod request;
mod sync;
mod turn;

pub use delivery::{Follower, Progress};
pub use handle::{Handle, Lease, ReleaseProgress};
pub use options::{
    Addresses, Aim, Analyst, Clock, DRAIN, EventSink, GateAnalyst, Job, LAG_PATIENCE, Options,
    REPORT_INTERVAL, ROSTER_AWAY, ROSTER_SAVE, ReleaseOptions, Resolve, ResolveError, Resolved,
    SETTLE, SILENCE, SystemResolver,
};
pub use plan::{drift, in_force};
pub use proof::{Touched, Verdict};
pub use registry::{Controllers, MAX_WAITING, TooManyWait};
pub use request::{
    Accepted, Command, CommandError, Declared, Documents, Ended, Plan, Request, Tell, Waivers,
};
