//! The I/O around the sessions: one task per connection, with its discovery streams; tonic for all other services.

mod csds;
mod directory;
mod http2;
mod inspect;
mod listener;
mod lrs;
mod matcher;
mod metadata;
mod meters;
mod node;
mod options;
mod seldom;
mod services;
mod shared;
mod stream;
mod told;
mod wire;

pub use csds::{ClientStatus, CsdsAccess, CsdsAccessError, client_status};
pub use directory::{Directory, FleetFeed, JoinError};
pub use inspect::Streams;
pub use listener::serve;
pub use meters::Meters;
pub use node::{FleetBy, FleetByError};
pub use options::{LOAD_REPORT_INTERVAL, Options};
pub use seldom::Seldom;
