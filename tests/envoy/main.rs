//! What users can see, on real Envoys: the real server as a process, its command line, real sockets, load with
//! retries off.

#[path = "../support/mod.rs"]
mod support;

mod fixtures;
mod switching;
