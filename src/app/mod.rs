//! The composition root: the only place that knows every room; builds and runs the server. Tests use it too.

pub mod config;
mod directory;
mod errors;
mod http;
mod listeners;
mod log;
mod serve;
mod server;
mod setting;
mod settings;

pub use errors::{RunError, StartError};
pub use serve::{command, start};
pub use server::{Addresses, App};
