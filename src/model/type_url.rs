//! The resource types of xDS v3 that bluegreen serves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A top-level xDS resource type.
///
/// The order is the order in which additions are pushed: clusters and endpoints before the listeners and routes
/// that use them (xDS protocol, "Eventual consistency considerations").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // The names are Envoy's.
pub enum TypeUrl {
    Cluster,
    ClusterLoadAssignment,
    Listener,
    ScopedRouteConfiguration,
    RouteConfiguration,
    VirtualHost,
    Secret,
    Runtime,
    TypedExtensionConfig,
}

/// The message in which a resource stands that has a time to live. It is no resource itself.
pub const RESOURCE_WRAPPER: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

impl TypeUrl {
    /// Every type, in push order.
    pub const ALL: [TypeUrl; 9] = [
        TypeUrl::Cluster,
        TypeUrl::ClusterLoadAssignment,
        TypeUrl::Listener,
        TypeUrl::ScopedRouteConfiguration,
        TypeUrl::RouteConfiguration,
        TypeUrl::VirtualHost,
        TypeUrl::Secret,
        TypeUrl::Runtime,
        TypeUrl::TypedExtensionConfig,
    ];

    /// As it stands in `type_url` of requests, responses and `Any`.
    pub fn url(self) -> &'static str {
        match self {
            TypeUrl::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            TypeUrl::ClusterLoadAssignment => {
                "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
            }
            TypeUrl::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            TypeUrl::ScopedRouteConfiguration => {
                "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
            }
            TypeUrl::RouteConfiguration => {
                "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
            }
            TypeUrl::VirtualHost => "type.googleapis.com/envoy.config.route.v3.VirtualHost",
            TypeUrl::Secret => {
                "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
            }
            TypeUrl::Runtime => "type.googleapis.com/envoy.service.runtime.v3.Runtime",
            TypeUrl::TypedExtensionConfig => {
                "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
            }
        }
    }

    /// The message's name without its package, as it is shown to people.
    pub fn short(self) -> &'static str {
        self.url().rsplit('.').next().unwrap_or_default()
    }

    /// The type of that URL, if bluegreen serves it.
    pub fn from_url(url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.url() == url)
    }

    /// State-of-the-world responses of this type hold everything subscribed; what is absent is deleted (xDS protocol,
    /// "Deleting resources"; Envoy treats scoped routes like that too). The others may hold only what changed.
    pub fn is_full_state(self) -> bool {
        matches!(
            self,
            TypeUrl::Cluster | TypeUrl::Listener | TypeUrl::ScopedRouteConfiguration
        )
    }

    /// Whether Envoy ends a resource of this type by its time to live. Of the others it ends nothing; and in state of the
    /// world it crashes when the time of one is over because no server said it again (seen with 1.40).
    pub fn ends_by_ttl(self) -> bool {
        !matches!(
            self,
            TypeUrl::ClusterLoadAssignment | TypeUrl::RouteConfiguration | TypeUrl::Secret
        )
    }
}

impl fmt::Display for TypeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.short())
    }
}
