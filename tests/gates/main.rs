//! Checks against real things: the example fraud model, real Envoys, a real Prometheus; and the examples of the manual.

#[path = "../support/mod.rs"]
mod support;

// The example's own service, in this process: its modules name each other from the crate's root.
#[allow(dead_code, reason = "the example's main uses the rest")]
#[path = "../../examples/fraud-model/model.rs"]
mod model;
#[allow(dead_code, reason = "the example's main uses the rest")]
#[path = "../../examples/fraud-model/service.rs"]
mod service;

mod fixtures;
mod fraud;
mod manual;
mod prometheus;
mod proxies;
