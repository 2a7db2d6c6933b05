//! HTTP/2 on the port for proxies, directly on `h2`: one task for a connection with all of its streams, and nothing copied
//! or kept that a stream does not need.

mod chunk;
mod connection;
mod ear;
mod gate;
mod keepalive;
mod messages;
mod routes;

pub(super) use self::{
    chunk::Chunk,
    connection::{Accepted, serve},
    messages::{Budget, Gone, Replies, Requests, refuse},
    routes::serve as serve_routes,
};
