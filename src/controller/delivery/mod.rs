//! What follows a commit: revisions are followed to the proxies, and what these reject is taken back.

mod follower;
mod go_on;
mod nack;

pub use follower::{Follower, Progress};
pub(in crate::controller) use nack::{resume, watch};
