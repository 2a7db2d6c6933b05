//! The customers: who send card payments at a constant rate, and never try again.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use serde_json::json;

use crate::load::{Load, Plan, Protocol, Shot};

/// 50,000 a minute.
pub const RATE: u32 = 833;

/// Enough for answers of 75 ms at that rate, and for every proxy to get its share of the connections.
const CONNECTIONS: usize = 64;

/// What a client of a scoring service would wait. The route's own timeout is shorter.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Starts the load on `target`; it ends by itself after `longest`, which also bounds its memory.
pub fn start(target: SocketAddr, longest: Duration) -> Load {
    Load::start(Plan {
        target,
        protocol: Protocol::Http1,
        shots: transactions(),
        rate: RATE,
        connections: CONNECTIONS,
        timeout: TIMEOUT,
        limit: RATE as usize * usize::try_from(longest.as_secs()).unwrap_or_default(),
    })
}

/// A mix of card payments; a fixed one, so that two runs are comparable.
fn transactions() -> Vec<Shot> {
    (0_u32..50)
        .map(|n| {
            let body = json!({
                "amount": f64::from(n * n * 7 % 2_000) + 0.99,
                "foreign": n % 5 == 0,
                "hour": n * 7 % 24,
                "merchant_risk": f64::from(n * 13 % 100) / 250.0,
                "last_hour": n * 3 % 8,
                "card_age_days": n * 97 % 2_500,
            });
            Shot::post("/score", Bytes::from(body.to_string()))
        })
        .collect()
}
