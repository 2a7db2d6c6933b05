//! The kinds of documents, as they may be typed.

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
pub enum Kind {
    /// A service with its two environments
    #[value(aliases = ["services", "svc", "Service"])]
    Service,
    /// Envoy resources of your own
    #[value(name = "envoyresources", aliases = ["envoyresource", "resources", "er", "EnvoyResources"])]
    EnvoyResources,
    /// Services that are switched together
    #[value(aliases = ["groups", "Group"])]
    Group,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Service, Kind::EnvoyResources, Kind::Group];

    /// As documents have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Service => "Service",
            Kind::EnvoyResources => "EnvoyResources",
            Kind::Group => "Group",
        }
    }

    /// As people type it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Service => "service",
            Kind::EnvoyResources => "envoyresources",
            Kind::Group => "group",
        }
    }
}
