//! The xDS protocol: `session` is the pure state machine of one stream, `server` the I/O around it.

pub mod server;
pub mod session;
