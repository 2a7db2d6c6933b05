//! `fleet --stats`: what proxies report of their traffic.

use std::fmt::Write;

use serde::Serialize;

use super::{
    client::Context,
    convert,
    error::Error,
    out::{WARN, paint},
    table::Columns,
};
use crate::api;

/// What the proxies of one fleet report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fleet {
    fleet: String,
    connected: u32,
    reporting: u32,
    clusters: Vec<Cluster>,
    proxies: Vec<Proxy>,
    left_out: LeftOut,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Proxy {
    proxy: String,
    reporting: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_report: String,
    clusters: Vec<Cluster>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    cluster: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    since: String,
    requests: u64,
    successful: u64,
    errors: u64,
    dropped: u64,
    in_progress: u64,
    /// 0 to 1; null if no request ended.
    success_rate: Option<f64>,
    metrics: Vec<Metric>,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_report: String,
}

#[derive(Debug, Serialize)]
struct Metric {
    name: String,
    count: u64,
    sum: f64,
    mean: f64,
}

/// What a bound kept out of the numbers.
#[derive(Debug, Serialize)]
struct LeftOut {
    clusters: u64,
    pairs: u64,
    metrics: u64,
}

pub(super) async fn run(cx: &Context, request: api::GetStatsRequest) -> Result<u8, Error> {
    let name = request.fleet.clone();
    let single = !name.is_empty();
    let mut client = cx.connect().await?;
    let mut answer = client.get_stats(request.clone()).await;
    // The one name that was given may be a proxy's.
    if single && request.proxy.is_empty() && is_not_found(&answer) {
        let of_proxy = api::GetStatsRequest {
            fleet: String::new(),
            proxy: name,
            ..request.clone()
        };
        let second = client.get_stats(of_proxy).await;
        if second.is_ok() {
            answer = second;
        }
    }
    let answer = answer.map_err(|e| cx.failed(&e))?.into_inner();
    let fleets: Vec<Fleet> = answer.fleets.into_iter().map(fleet).collect();
    match fleets.as_slice() {
        [fleet] if single => cx.out.data(fleet, || text(&fleets))?,
        _ => cx.out.data(&fleets, || text(&fleets))?,
    }
    Ok(0)
}

fn is_not_found<T>(answer: &Result<T, tonic::Status>) -> bool {
    matches!(answer, Err(status) if status.code() == tonic::Code::NotFound)
}

fn fleet(fleet: api::FleetStats) -> Fleet {
    Fleet {
        fleet: fleet.fleet,
        connected: fleet.connected,
        reporting: fleet.reporting,
        clusters: fleet.clusters.into_iter().map(cluster).collect(),
        proxies: fleet.proxies.into_iter().map(proxy).collect(),
        left_out: LeftOut {
            clusters: fleet.clusters_left_out,
            pairs: fleet.pairs_left_out,
            metrics: fleet.metrics_left_out,
        },
    }
}

fn proxy(proxy: api::ProxyStats) -> Proxy {
    Proxy {
        proxy: proxy.proxy,
        reporting: proxy.reporting,
        last_report: proxy.last_report,
        clusters: proxy.clusters.into_iter().map(cluster).collect(),
    }
}

fn cluster(cluster: api::ClusterStats) -> Cluster {
    let environment = convert::colour(cluster.environment);
    Cluster {
        role: environment.map(|_| convert::role(cluster.role)),
        environment,
        cluster: cluster.cluster,
        service: cluster.service,
        version: cluster.version,
        since: cluster.since,
        requests: cluster.requests,
        successful: cluster.successful,
        errors: cluster.errors,
        dropped: cluster.dropped,
        in_progress: cluster.in_progress,
        success_rate: cluster.success_rate,
        metrics: cluster
            .metrics
            .into_iter()
            .map(|metric| Metric {
                name: metric.name,
                count: metric.count,
                sum: metric.sum,
                mean: metric.mean,
            })
            .collect(),
        last_report: cluster.last_report,
    }
}

/// For people: a line per cluster, then a line per proxy and cluster, then the metrics.
fn text(fleets: &[Fleet]) -> String {
    let mut text = String::new();
    for fleet in fleets {
        if !text.is_empty() {
            text.push('\n');
        }
        let since = fleet
            .clusters
            .iter()
            .chain(fleet.proxies.iter().flat_map(|proxy| &proxy.clusters))
            .map(|cluster| cluster.since.as_str())
            .min();
        let since = since.map_or(String::new(), |since| format!(", since {since}"));
        let _ = writeln!(
            text,
            "{}: {} of {} connected proxies report{since}",
            fleet.fleet, fleet.reporting, fleet.connected
        ); // a String takes everything
        if fleet.clusters.is_empty() && fleet.proxies.iter().all(|p| p.clusters.is_empty()) {
            text.push_str("no traffic was reported\n");
        }
        text.push_str(&counts(fleet));
        text.push_str(&metrics(fleet));
        let LeftOut {
            clusters,
            pairs,
            metrics,
        } = fleet.left_out;
        if clusters + pairs + metrics > 0 {
            let line = format!(
                "more was reported than is kept: {clusters} reports of clusters, {pairs} of proxies and {metrics} metrics are left out"
            );
            let _ = writeln!(text, "{}", paint(WARN, line));
        }
    }
    if fleets.is_empty() {
        return "no fleet is declared, and no proxy has connected\n".to_owned();
    }
    text
}

/// Every cluster over all proxies, then by proxy.
fn rows(fleet: &Fleet) -> impl Iterator<Item = (&str, &Cluster)> {
    let all = fleet.clusters.iter().map(|cluster| ("all", cluster));
    let proxies = fleet.proxies.iter();
    let each = proxies.flat_map(|proxy| {
        let clusters = proxy.clusters.iter();
        clusters.map(|cluster| (proxy.proxy.as_str(), cluster))
    });
    all.chain(each)
}

fn counts(fleet: &Fleet) -> String {
    let mut table = Columns::new([
        "PROXY",
        "CLUSTER",
        "VERSION",
        "ROLE",
        "REQUESTS",
        "ERRORS",
        "DROPPED",
        "SUCCESS",
        "IN PROGRESS",
    ]);
    let mut any = false;
    for (proxy, cluster) in rows(fleet) {
        any = true;
        let rate = cluster.success_rate.map(percent);
        table.row([
            proxy.to_owned(),
            cluster.cluster.clone(),
            cluster.version.clone(),
            cluster.role.unwrap_or_default().to_owned(),
            cluster.requests.to_string(),
            cluster.errors.to_string(),
            cluster.dropped.to_string(),
            rate.unwrap_or_default(),
            cluster.in_progress.to_string(),
        ]);
    }
    match any {
        true => table.text(),
        false => String::new(),
    }
}

fn metrics(fleet: &Fleet) -> String {
    let mut table = Columns::new(["PROXY", "CLUSTER", "METRIC", "ANSWERS", "MEAN"]);
    let mut any = false;
    for (proxy, cluster) in rows(fleet) {
        for metric in &cluster.metrics {
            any = true;
            table.row([
                proxy.to_owned(),
                cluster.cluster.clone(),
                metric.name.clone(),
                metric.count.to_string(),
                mean(metric.mean),
            ]);
        }
    }
    match any {
        true => format!("\n{}", table.text()),
        false => String::new(),
    }
}

/// Never 100.00% while one request failed.
fn percent(rate: f64) -> String {
    let hundredths = (rate * 10_000.0).floor() / 100.0;
    format!("{hundredths:.2}%")
}

/// Enough digits to tell two versions of a model apart.
fn mean(mean: f64) -> String {
    if mean.abs() < 1e-3 && mean != 0.0 {
        format!("{mean:.3e}")
    } else {
        format!("{mean:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_rounded_down_and_small_means_are_not_lost() {
        assert_eq!(percent(1.0), "100.00%");
        assert_eq!(percent(0.999_999), "99.99%");
        assert_eq!(percent(0.5), "50.00%");
        assert_eq!(mean(0.75), "0.7500");
        assert_eq!(mean(0.000_012), "1.200e-5");
        assert_eq!(mean(0.0), "0.0000");
    }
}
