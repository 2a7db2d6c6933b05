//! The composition root: the only place that knows every room; builds and runs the server. Tests use it too.

pub mod config;
pub mod http;
pub mod log;
pub mod setting;
