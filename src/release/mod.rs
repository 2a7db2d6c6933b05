//! PURE. The state machine of a service and its releases: (state, event, context) -> (new state, effects), or a
//! refusal with a name.
//!
//! [`create`] and [`step()`] are for one service, [`restore()`] takes a whole fleet back. All of them only compute: what
//! they return is a value that can be shown (dry run), stored or dropped. [`Rollout`] is a release on its way, through gates,
//! steps, bake and standby; [`ServiceState::split`] is the one place that says where traffic goes.

mod apply;
mod context;
mod draft;
mod environments;
mod guard;
mod lifecycle;
mod machine;
mod reason;
mod resolve;
mod restore;
mod shift;
mod shifting;
mod state;
mod step;
mod traffic;
mod words;

pub use context::Context;
pub use lifecycle::{
    AnalysisRecord, ClockKey, DeliveryRecord, Effect, EffectKind, LogEntry, MAX_EVENTS, MAX_LOG,
    MAX_PROXY_ACKS, MAX_REASON, MAX_TICK, PhaseClock, ProxyAck, Purpose, ReleaseRecord, Replaced,
    ResourceDigest, Rollout, RolloutPhase, Side, Signal, SignalKind, Stopwatch, Validated,
};
pub use machine::{create, step};
pub use reason::{Reason, Refusal};
pub use restore::{Restored, restore};
pub use shifting::{PREVIEW_HEADER, Preview, Shadow, Shifting, Temporary, Window};
pub use state::{
    Deployment, Environment, FleetState, GroupState, Phase, Release, ResourceState, Role,
    ServiceState,
};
pub use step::{Event, InUse, Moved, Notice, Step, StepKind, Verb};

#[cfg(test)]
mod tests;
