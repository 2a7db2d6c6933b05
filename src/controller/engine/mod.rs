//! What makes releases go on: it does what their outboxes want, and tells them what time, proxies and checks say.
//!
//! One task per fleet looks at the newest revision, never at what it did before. What a release wants is in the outbox of its
//! service, stored with the revision that it follows from: after a crash the same effects are there, and are done again
//! under the same ids. An effect that is no longer in the outbox is stopped. Whatever comes of one is a command like any
//! other ([`Command::Advance`](super::request::Command::Advance)), which the state machine takes or, where it is stale, leaves.

mod analyse;
mod book;
mod clock;
mod events;
mod exec;
mod hook;
mod http;
mod job;
mod look;
mod placed;
mod presence;
mod proxies;
mod push;
mod record;
mod reports;
mod run;
mod signal;
mod tried;

pub(in crate::controller) use clock::store_counted;
pub(in crate::controller) use push::Rejected;
pub(in crate::controller) use run::run;
pub(in crate::controller) use signal::rejected;
