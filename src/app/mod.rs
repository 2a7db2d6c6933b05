//! The composition root: the only place that knows every room; builds and runs the server. Tests use it too.

mod arguments;
mod checked;
pub mod config;
mod directory;
mod door;
mod errors;
mod http;
mod listeners;
mod log;
mod open_files;
mod secret_files;
mod serve;
mod server;
mod setting;
mod settings;
mod signals;

pub use arguments::command;
pub use errors::{RunError, StartError};
pub use serve::start;
pub use server::{Addresses, App};
