//! PURE. What proxies report of their traffic (LRS, and ORCA within it), added up per cluster, proxy and window.
//!
//! Streams write their reports into the [`Telemetry`] of their fleet, everybody else reads sums of it. It knows
//! nothing of services: clusters are names, `SERVICE/COLOUR` where bluegreen made them.

mod book;
mod load;
mod series;
mod shared;
mod sums;
mod views;
mod wire;

pub use book::{LeftOut, StreamId};
pub use load::{ClusterLoad, Load, ProxyLoad, Reporter};
pub use shared::Telemetry;
pub use sums::Metric;
pub use wire::{ClusterStats, LocalityStats, NamedMetric, UnnamedMetric};
