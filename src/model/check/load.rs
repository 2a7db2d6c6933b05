//! The `load` check: requests at a given rate, whatever the answers do, and limits for latency and errors.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{super::HumanDuration, DataSource, HttpRequest};

/// `load:` sends requests at a constant rate (open loop: a slow answer delays no request) and holds the latency,
/// counted from when each request was due, against limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadCheck {
    /// How many a second. None: what the proxies report for live, times 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateLimit>,
    /// For how long.
    pub duration: HumanDuration,
    /// So much of the beginning does not count: caches and connections warm up in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<HumanDuration>,
    /// The requests, sent in turn; or `data`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<HttpRequest>,
    /// The requests as JSON lines, each as in `requests`, sent in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSource>,
    /// The most connections, over all endpoints.
    #[serde(default = "connections")]
    pub connections: usize,
    /// The longest that one request may take.
    #[serde(default = "request_timeout")]
    pub request_timeout: HumanDuration,
    /// At which rate live may be loaded too, with the same requests, to be compared with. Needed for limits that are
    /// relative to live, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_rate: Option<f64>,
    /// What must hold.
    pub limits: LoadLimits,
}

impl LoadCheck {
    /// Whether a limit compares with live.
    pub fn needs_live(&self) -> bool {
        let limits = &self.limits;
        limits.error_rate_over_live.is_some()
            || limits.latency.values().any(|it| it.times_live.is_some())
    }
}

/// Rate × time of an answer are in use: at 500 a second these bear answers of a quarter of a second.
fn connections() -> usize {
    128
}

/// Envoy's own default for a route is 15 s; a request of a load test that takes 5 s has failed its purpose.
fn request_timeout() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(5))
}

/// How many requests a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum RateLimit {
    /// So many.
    PerSecond(f64),
    /// So many times what the proxies report for live now.
    TimesLive(f64),
}

/// What must hold for a load to be Successful.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadLimits {
    /// The largest share of requests that may fail (no answer in time, a broken connection, a status from 400).
    /// None: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<f64>,
    /// By so much at most the error rate may be above live's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate_over_live: Option<f64>,
    /// The largest latencies.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub latency: BTreeMap<Percentile, LatencyLimit>,
}

/// The largest latency. What is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LatencyLimit {
    /// At most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<HumanDuration>,
    /// At most so many times live's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_live: Option<f64>,
}

/// A percentile of latencies in thousandths of a percent: `p50`, `p99`, `p99.9`, or `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percentile(u32);

/// 100% in thousandths of a percent.
const WHOLE: u32 = 100_000;

/// Text that is no percentile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no percentile: write e.g. p50, p99, p99.9 or max")]
pub struct PercentileError(String);

impl Percentile {
    /// From 0 to 1.
    pub fn quantile(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }
}

impl FromStr for Percentile {
    type Err = PercentileError;

    fn from_str(text: &str) -> Result<Self, PercentileError> {
        let wrong = || PercentileError(crate::text::escaped(text, 32));
        if text == "max" {
            return Ok(Self(WHOLE));
        }
        let number = text.strip_prefix('p').ok_or_else(wrong)?;
        if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(wrong());
        }
        let percent: f64 = number.parse().map_err(|_| wrong())?;
        let thousandths = (percent * 1_000.0).round();
        if !(1.0..=f64::from(WHOLE)).contains(&thousandths) {
            return Err(wrong());
        }
        Ok(Self(thousandths as u32))
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == WHOLE {
            f.pad("max")
        } else {
            f.pad(&format!("p{}", f64::from(self.0) / 1_000.0))
        }
    }
}

impl TryFrom<String> for Percentile {
    type Error = PercentileError;

    fn try_from(text: String) -> Result<Self, PercentileError> {
        text.parse()
    }
}

impl From<Percentile> for String {
    fn from(percentile: Percentile) -> String {
        percentile.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_as_they_are_written() {
        for (text, quantile) in [
            ("p50", 0.5),
            ("p99", 0.99),
            ("p99.9", 0.999),
            ("p99.999", 0.99999),
            ("max", 1.0),
        ] {
            let read: Percentile = text.parse().unwrap();
            assert_eq!(read.quantile(), quantile);
            assert_eq!(read.to_string(), text);
        }
        for wrong in ["99", "p", "p0", "p101", "p-1", "pNaN", "p1e1", "P50", ""] {
            assert!(wrong.parse::<Percentile>().is_err(), "{wrong}");
        }
    }
}
