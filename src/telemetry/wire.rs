//! Load reports as far as they are needed: fields that are not listed are skipped while decoding.

use std::time::Duration;

use prost::Message;

use super::sums::Metric;

/// `envoy.config.endpoint.v3.ClusterStats`: what one proxy saw of one cluster since its report before.
#[derive(Clone, PartialEq, Message)]
pub struct ClusterStats {
    /// The cluster.
    #[prost(string, tag = "1")]
    pub cluster_name: String,
    /// One per locality of its endpoints; none if the cluster was idle.
    #[prost(message, repeated, tag = "2")]
    pub upstream_locality_stats: Vec<LocalityStats>,
    /// Requests that the proxy itself did not let through (circuit breakers, overload).
    #[prost(uint64, tag = "3")]
    pub total_dropped_requests: u64,
    /// The time that the report covers, up to when it was sent.
    #[prost(message, optional, tag = "4")]
    pub load_report_interval: Option<prost_types::Duration>,
}

/// `envoy.config.endpoint.v3.UpstreamLocalityStats`. The counts are those since the report before; requests in progress
/// are those of this moment.
#[derive(Clone, PartialEq, Message)]
pub struct LocalityStats {
    /// Requests that were answered, with other than 5xx.
    #[prost(uint64, tag = "2")]
    pub total_successful_requests: u64,
    /// Requests that are open now.
    #[prost(uint64, tag = "3")]
    pub total_requests_in_progress: u64,
    /// Requests that failed or were answered with 5xx.
    #[prost(uint64, tag = "4")]
    pub total_error_requests: u64,
    /// Requests that were sent to an endpoint.
    #[prost(uint64, tag = "8")]
    pub total_issued_requests: u64,
    /// ORCA metrics by name.
    #[prost(message, repeated, tag = "5")]
    pub load_metric_stats: Vec<NamedMetric>,
    /// ORCA `cpu_utilization`; Envoy up to 1.40 sends it among the named ones.
    #[prost(message, optional, tag = "12")]
    pub cpu_utilization: Option<UnnamedMetric>,
    /// ORCA `mem_utilization`, likewise.
    #[prost(message, optional, tag = "13")]
    pub mem_utilization: Option<UnnamedMetric>,
    /// ORCA `application_utilization`, likewise.
    #[prost(message, optional, tag = "14")]
    pub application_utilization: Option<UnnamedMetric>,
}

/// `envoy.config.endpoint.v3.EndpointLoadMetricStats`.
#[derive(Clone, PartialEq, Message)]
pub struct NamedMetric {
    /// E.g. `named_metrics.fraud_score`.
    #[prost(string, tag = "1")]
    pub metric_name: String,
    /// Answers that told it.
    #[prost(uint64, tag = "2")]
    pub num_requests_finished_with_metric: u64,
    /// The sum of what they told.
    #[prost(double, tag = "3")]
    pub total_metric_value: f64,
}

/// `envoy.config.endpoint.v3.UnnamedEndpointLoadMetricStats`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct UnnamedMetric {
    /// Answers that told it.
    #[prost(uint64, tag = "1")]
    pub num_requests_finished_with_metric: u64,
    /// The sum of what they told.
    #[prost(double, tag = "2")]
    pub total_metric_value: f64,
}

impl ClusterStats {
    /// The time that it covers; None if the proxy does not say, or says nonsense.
    pub(super) fn period(&self) -> Option<Duration> {
        // The smallest number of seconds has no opposite, which the conversion would say.
        let sane = |interval: &prost_types::Duration| interval.seconds >= 0;
        let interval = self.load_report_interval.filter(sane)?;
        Duration::try_from(interval).ok()
    }

    /// Nothing happened, and nothing is open.
    pub(super) fn is_idle(&self) -> bool {
        self.upstream_locality_stats.is_empty() && self.total_dropped_requests == 0
    }
}

impl LocalityStats {
    /// All ORCA metrics by name.
    pub(super) fn metrics(&self) -> impl Iterator<Item = (&str, Metric)> {
        let unnamed = [
            ("cpu_utilization", &self.cpu_utilization),
            ("mem_utilization", &self.mem_utilization),
            ("application_utilization", &self.application_utilization),
        ];
        let unnamed = unnamed.into_iter().filter_map(|(name, metric)| {
            let metric = metric.as_ref()?;
            let count = metric.num_requests_finished_with_metric;
            Some((name, Metric::new(count, metric.total_metric_value)))
        });
        let named = self.load_metric_stats.iter().map(|metric| {
            let count = metric.num_requests_finished_with_metric;
            (
                metric.metric_name.as_str(),
                Metric::new(count, metric.total_metric_value),
            )
        });
        named.chain(unnamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_no_sensible_time_says_none() {
        let period = |seconds, nanos| {
            let interval = prost_types::Duration { seconds, nanos };
            let report = ClusterStats {
                load_report_interval: Some(interval),
                ..ClusterStats::default()
            };
            report.period()
        };
        assert_eq!(period(2, 500_000_000), Some(Duration::from_millis(2500)));
        for (seconds, nanos) in [(i64::MIN, 0), (i64::MIN, i32::MIN), (-1, 0), (0, i32::MIN)] {
            assert_eq!(period(seconds, nanos), None, "{seconds} {nanos}");
        }
        assert!(period(i64::MAX, i32::MAX).is_some());
        assert_eq!(ClusterStats::default().period(), None);
    }
}
