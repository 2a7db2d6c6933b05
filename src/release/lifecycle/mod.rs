//! The way of a release: phases, what moves it on, and what it wants done outside.
//!
//! [`Rollout`] is where it stands, [`Signal`] is what the world answers, [`Effect`] is what it asks of the world. It comes to be
//! in [`begin`]; operators' verbs are in [`verbs`] and [`decide`], what moves traffic in [`traffic`], what happens by itself in
//! [`react`], and [`advance`] has the transitions that all of them use.

mod advance;
mod begin;
mod clock;
mod clock_key;
mod decide;
mod effect;
mod gates;
mod lookup;
mod outbox;
mod phase;
mod react;
mod reconcile;
mod record;
mod refusals;
mod rollout;
mod signal;
mod traffic;
mod verbs;
mod waiting;
mod way;

pub use clock::{MAX_TICK, PhaseClock, Stopwatch};
pub use clock_key::ClockKey;
pub use effect::{Effect, EffectKind, Purpose};
pub use outbox::MAX_EVENTS;
pub use phase::RolloutPhase;
pub use record::{
    AnalysisRecord, DeliveryRecord, MAX_PROXY_ACKS, ProxyAck, ReleaseRecord, ResourceDigest,
};
pub use rollout::{LogEntry, MAX_LOG, MAX_REASON, Replaced, Rollout, Side, Validated};
pub use signal::{Signal, SignalKind};
