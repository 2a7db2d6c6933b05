//! What the user declares: services, environments, Envoy resources; how it is parsed, merged and checked.
//!
//! Uses nothing of ours; everybody may use it.

pub mod check;
mod colour;
mod document;
mod duration;
mod endpoint;
mod group;
mod merge;
mod nack;
mod name;
mod path;
mod release;
mod revision;
#[cfg(test)]
pub(crate) mod samples;
mod service;
mod sticky;
#[cfg(test)]
mod tests;
mod type_url;
mod validate;

pub use colour::{Colour, ParseColourError};
pub use document::{
    API_VERSION, Document, DocumentError, DocumentKind, DocumentSpec, MAX_TEXT, ParseKindError,
    parse_documents,
};
pub use duration::{DurationError, HumanDuration};
pub use endpoint::{Endpoint, EndpointError};
pub use group::{GroupSpec, MAX_GROUP};
pub use merge::{Merged, merge};
pub use nack::{NackPolicy, NackWish, OnNack};
pub use name::{Name, NameError};
pub use path::{Path, Step};
pub use release::{
    BAKE_INTERVAL, BakeSpec, CanarySpec, CanaryStep, DEFAULT_STANDBY, HOOK_TIMEOUT, Hook, HookKind,
    Hooks, OnFailure, Promotion, ReleaseSpec, ReleaseStrategy, SHORT_STANDBY, ShadowSpec,
};
pub use revision::Revision;
pub use service::{
    CircuitBreaker, Client, ClusterSpec, EnvironmentSpec, Environments, HealthCheck, ListenerSpec,
    Protocol, ResourceSet, RetryOn, RetrySpec, RouteMatch, RouteSpec, ServiceSpec, Split,
};
pub use sticky::{EndedBy, Sticky, is_header_value, is_token};
pub use type_url::{RESOURCE_WRAPPER, TypeUrl};
pub use validate::{
    DuplicateDocument, FleetConflict, Invalid, MAX_ATTEMPTS, MAX_DURATION, MAX_STEPS, MAX_VERSION,
    endpoints_problem, unique_documents, validate_fleet, validate_group, validate_resources,
    validate_service, version_problem,
};
