//! Clients that are broken or mean harm, against the real server as a process: nobody else notices, its memory is bounded
//! and given back, it never panics.

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod calls;
mod connections;
mod lines;
mod names;
mod plane;
mod requests;
mod spoken;
mod stalled;
mod status;
mod wire;
