//! Why the server can't start, or had to stop.

use std::net::SocketAddr;

use tokio::task::JoinError;

use crate::store::StoreError;

/// The server can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A port can't be bound.
    #[error(
        "--{setting} {address} can't be listened on ({source}): stop what uses it, or choose another address"
    )]
    Bind {
        /// The setting.
        setting: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Host names can't be resolved at all.
    #[error("the resolver of host names can't be started: {0}")]
    Resolver(#[source] hickory_resolver::net::NetError),
    /// gRPC reflection could not be set up.
    #[error("server reflection can't be set up: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// The server had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A listener failed.
    #[error("serving {what} failed: {source}")]
    Serve {
        /// `xds`, `admin` or `http`.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A task panicked.
    #[error("a task of the server ended unexpectedly: {0}")]
    Task(#[from] JoinError),
    /// The store could not be closed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
