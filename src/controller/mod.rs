//! Per fleet the one writer: command or event -> release step -> snapshot build -> store commit.
//!
//! [`Controllers`] has all fleets, a [`Handle`] is the cheap way to one of them. A command is a value
//! ([`Request`]); what it needs from outside (addresses, probes) is found before its turn, and its turn ends with the
//! commit: nobody ever waits behind another one's probes or ACKs. What proxies are served follows the store's head
//! and nothing else.

mod error;
mod handle;
mod index;
mod options;
mod publisher;
mod registry;
mod request;
mod resolve;
mod verdict;

pub use error::CommandError;
pub use handle::Handle;
pub use options::{Clock, LAG_PATIENCE, Options, ROSTER_AWAY, ROSTER_SAVE, SETTLE};
pub use registry::Controllers;
pub use request::{
    Accepted, Command, Declared, DocumentKind, Documents, Ended, NackPolicy, OnNack, Plan, Request,
    Waivers,
};
pub use resolve::{Addresses, Names, Resolve, ResolveError, Resolved, SystemResolver};
pub use verdict::Verdict;
