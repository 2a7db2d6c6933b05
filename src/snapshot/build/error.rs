//! Why no snapshot can be built.

use crate::{
    model::{Name, TypeUrl},
    snapshot::RawError,
};

/// Why no snapshot can be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Two routes take the same requests; only the first would ever be used.
    #[error(
        "{}: host {host} on listener {listener} has {matcher} twice: give one of the routes another match or another host",
        services(first, second)
    )]
    SameMatch {
        /// `ADDRESS:PORT`.
        listener: String,
        /// The first host name that both have.
        host: String,
        /// `path /x` or `prefix /x`.
        matcher: String,
        /// The services, in the order of their names.
        first: Name,
        /// May be the same one.
        second: Name,
    },
    /// A resource that the user wrote can't be used.
    #[error(transparent)]
    Raw(#[from] Box<RawError>),
    /// Two resources of one type have one name, so proxies could have only one of them.
    #[error("{type_url} {name} {}: rename or remove one", makers(first, second))]
    SameName {
        /// Their type.
        type_url: TypeUrl,
        /// Their name.
        name: String,
        /// What makes one of them.
        first: String,
        /// What makes the other.
        second: String,
    },
}

fn services(first: &Name, second: &Name) -> String {
    if first == second {
        format!("service {first}")
    } else {
        format!("services {first} and {second}")
    }
}

fn makers(first: &str, second: &str) -> String {
    if first == second {
        format!("is there twice in {first}")
    } else {
        format!("comes from {first} and from {second}")
    }
}
