//! Checks against real things: the example fraud model, real Envoys, a real Prometheus; and the examples of the manual.

#[path = "../support/mod.rs"]
mod support;

/// The example's own service, in this process.
#[path = "../../examples/fraud-model"]
#[allow(dead_code, reason = "the example's main uses the rest")]
mod fraud_model {
    pub mod model;
    pub mod recent;
    pub mod service;
    pub mod trouble;
}

mod bad_input;
mod fixtures;
mod fraud;
mod manual;
mod prometheus;
mod proxies;
