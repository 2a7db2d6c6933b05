//! Real gRPC clients without a proxy (PyPI's grpcio, gRPC's C core) against the real server: its switches, and theirs.

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod fleet;
mod raw;
mod switching;
