//! The I/O around the sessions: one task per connection, with its discovery streams; tonic for all other services.

mod chunk;
mod connection;
mod directory;
mod elsewhere;
mod gate;
mod grpc;
mod keepalive;
mod listener;
mod lrs;
mod metadata;
mod node;
mod options;
mod services;
mod stream;
mod wire;

pub use directory::{Directory, FleetFeed, JoinError};
pub use listener::serve;
pub use node::{FleetBy, FleetByError};
pub use options::{LOAD_REPORT_INTERVAL, Options};
