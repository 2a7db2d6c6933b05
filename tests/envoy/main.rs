//! What users can see, on real Envoys: the real server as a process, its command line, real sockets, load with
//! retries off.

#[path = "../support/mod.rs"]
mod support;

mod apart;
mod canary;
mod changes;
#[cfg(feature = "fault-points")]
mod crash;
mod deciding;
mod draining;
mod fixtures;
mod fleets;
mod gated;
mod going_back;
mod habits;
mod hosts;
mod kept;
mod nack;
mod pages;
mod random;
mod releases;
mod restart;
mod rollout;
mod scopes;
mod seen;
mod sequences;
mod shadowing;
mod shifting;
mod staged;
mod start;
mod stats;
mod switching;
mod ttl;
mod versions;
