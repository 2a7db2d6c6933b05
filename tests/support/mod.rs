//! What the tests share. A plain list; each file says what it is for.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod asker;
pub mod backend;
pub mod bidi;
pub mod delta_client;
pub mod document;
pub mod either;
#[path = "../../examples/demo/envoy.rs"]
pub mod envoy;
pub mod fault;
#[path = "../../examples/demo/http.rs"]
pub mod http;
pub mod keeping;
#[path = "../../examples/demo/load.rs"]
pub mod load;
pub mod plane;
#[path = "../../examples/demo/ports.rs"]
pub mod ports;
pub mod proxy;
pub mod receiver;
pub mod relay;
pub mod server;
pub mod waiting;
pub mod world;
pub mod xds_client;
