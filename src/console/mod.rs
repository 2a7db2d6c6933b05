//! What the HTTP port shows of the server to other systems: metrics.

mod metrics;

pub use metrics::{FleetMetrics, text};
