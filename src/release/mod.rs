//! PURE. The state machine of a service and its releases: (state, event, context) -> (new state, effects), or a
//! refusal with a name.

mod state;

pub use state::{
    Deployment, Environment, FleetState, Phase, Release, ResourceState, Role, ServiceState,
};
