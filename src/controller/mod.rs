//! Per fleet the one writer: command or event -> release step -> snapshot build -> store commit.
//!
//! [`Controllers`] has all fleets, a [`Handle`] is the cheap way to one of them. A command is a value
//! ([`Request`]); what it needs from outside (addresses, probes) is found before its turn, and its turn ends with the
//! commit: nobody ever waits behind another one's probes or ACKs. What proxies are served follows the store's head
//! and nothing else.

mod checks;
mod delivery;
mod documents;
mod draft;
mod engine;
mod error;
mod execute;
mod handle;
mod index;
mod input;
mod looks;
mod nack;
mod names;
mod options;
mod preconditions;
mod prepare;
mod publisher;
mod record;
mod registry;
mod request;
mod resolve;
mod restore;
mod roster;
mod standing;
mod temporary;
mod turn;
mod verdict;
mod writer;

pub use delivery::{Follower, Progress, Touched};
pub use documents::{drift, in_force};
pub use engine::{
    Analyst, DRAIN, EventSink, GateAnalyst, Job, REPORT_INTERVAL, ReleaseOptions, ReleaseProgress,
    SILENCE,
};
pub use error::CommandError;
pub use handle::{Handle, Lease};
pub use options::{Clock, LAG_PATIENCE, Options, ROSTER_AWAY, ROSTER_SAVE, SETTLE};
pub use prepare::Tell;
pub use registry::{Controllers, MAX_WAITING, TooManyWait};
pub use request::{Accepted, Command, Declared, Documents, Ended, Plan, Request, Verb, Waivers};
pub use resolve::{Addresses, Resolve, ResolveError, Resolved, SystemResolver};
pub use verdict::Verdict;
