//! bluegreen: an Envoy/xDS control plane for blue-green deployment.
//!
//! Each folder is one room; `docs/architecture.md` is the plan of the house, and `tests/architecture.rs` holds
//! the law of who may use whom.

pub mod admin;
pub mod app;
pub mod cli;
pub mod console;
pub mod controller;
pub mod fault;
pub mod fleet;
pub mod gates;
pub mod model;
pub mod release;
pub mod snapshot;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod xds;

/// The generated admin API (`proto/bluegreen/admin/v1`).
pub mod api {
    #![allow(clippy::all, missing_docs)]
    tonic::include_proto!("bluegreen.admin.v1");

    /// The file descriptor set of the admin API, for gRPC server reflection.
    pub const DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/admin_descriptor.bin"));
}
