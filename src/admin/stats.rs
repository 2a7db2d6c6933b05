//! What the proxies of fleets report of their traffic, per cluster and per proxy.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tonic::Status;

use super::{
    errors::not_found,
    fleets::{asked, exists},
    views,
};
use crate::{
    api,
    controller::{Controllers, Handle},
    model::{Colour, TypeUrl},
    release::ServiceState,
    snapshot::cluster_name,
    store::Head,
    telemetry::{ClusterLoad, ProxyLoad},
};

/// Fleets by name, all or one.
pub(super) fn get(
    controllers: &Controllers,
    request: &api::GetStatsRequest,
) -> Result<api::GetStatsResponse, Status> {
    let handles = asked(controllers, &request.fleet)?;
    let mut fleets = Vec::new();
    for handle in &handles {
        let ask = Ask {
            handle,
            served: Served::of(handle),
            since: window(handle.telemetry().now(), request.window_ms),
            set: controllers.now().duration_since(handle.telemetry().now()),
            all_clusters: request.all_clusters,
        };
        if !request.proxy.is_empty() {
            fleets.extend(ask.one_proxy(&request.proxy));
        } else if exists(handle) || handle.telemetry().reporting() > 0 {
            fleets.push(ask.fleet());
        }
    }
    if fleets.is_empty() && !request.proxy.is_empty() {
        return Err(not_found("proxy", &request.proxy));
    }
    if fleets.is_empty() && !request.fleet.is_empty() {
        return Err(not_found("fleet", &request.fleet));
    }
    Ok(api::GetStatsResponse { fleets })
}

/// The begin of a window of that length; None: since the server started.
fn window(now: Timestamp, window_ms: u64) -> Option<Timestamp> {
    if window_ms == 0 {
        return None;
    }
    let window = SignedDuration::try_from(Duration::from_millis(window_ms)).ok()?;
    // Further back than time reaches is all there is.
    now.checked_sub(window).ok()
}

/// One question about one fleet.
struct Ask<'a> {
    handle: &'a Handle,
    served: Served,
    since: Option<Timestamp>,
    /// By how much the system's clock was set since reports are stamped: people are told the time of day.
    set: SignedDuration,
    all_clusters: bool,
}

impl Ask<'_> {
    fn fleet(&self) -> api::FleetStats {
        let telemetry = self.handle.telemetry();
        let clusters = self.clusters(&telemetry.clusters(self.since));
        let proxies = telemetry.proxies(self.since);
        let on_roster = self.handle.ledger().proxies(&BTreeMap::new());
        let connected = on_roster.iter().filter(|proxy| proxy.connected).count();
        let left_out = telemetry.left_out();
        api::FleetStats {
            fleet: self.handle.name().to_string(),
            clusters,
            proxies: proxies.iter().map(|proxy| self.proxy(proxy)).collect(),
            reporting: saturated(self.handle.reporting(&on_roster)),
            connected: saturated(connected),
            clusters_left_out: left_out.clusters,
            pairs_left_out: left_out.pairs,
            metrics_left_out: left_out.metrics,
        }
    }

    /// What one proxy reports, as a fleet of its own; None if the fleet has no such proxy.
    fn one_proxy(&self, name: &str) -> Option<api::FleetStats> {
        let on_roster = self.handle.ledger().proxies(&BTreeMap::new());
        let on_roster = on_roster.iter().filter(|proxy| *proxy.info.id == *name);
        let connected = on_roster.clone().filter(|proxy| proxy.connected).count();
        let load = self.handle.telemetry().proxy(name, self.since);
        if load.is_none() && on_roster.clone().next().is_none() {
            return None;
        }
        let proxies: Vec<_> = load.iter().map(|proxy| self.proxy(proxy)).collect();
        Some(api::FleetStats {
            fleet: self.handle.name().to_string(),
            reporting: saturated(self.handle.reporting(on_roster)),
            proxies,
            connected: saturated(connected),
            ..Default::default()
        })
    }

    /// The stamp of a report, by the time of day.
    fn time(&self, stamp: Option<Timestamp>) -> String {
        let at = stamp.map(|stamp| stamp.checked_add(self.set).unwrap_or(stamp));
        at.map(views::time).unwrap_or_default()
    }

    fn proxy(&self, proxy: &ProxyLoad) -> api::ProxyStats {
        api::ProxyStats {
            proxy: proxy.proxy.to_string(),
            reporting: proxy.streams > 0,
            last_report: self.time(proxy.last_report),
            clusters: self.clusters(&proxy.clusters),
        }
    }

    fn clusters(&self, loads: &[ClusterLoad]) -> Vec<api::ClusterStats> {
        let shown = loads.iter();
        shown
            .filter(|load| self.all_clusters || self.served.has(&load.cluster))
            .map(|load| self.cluster(load))
            .collect()
    }

    fn cluster(&self, cluster: &ClusterLoad) -> api::ClusterStats {
        let load = &cluster.load;
        let mut stats = api::ClusterStats {
            cluster: cluster.cluster.to_string(),
            since: self.time(Some(load.since)),
            requests: load.issued,
            successful: load.successful,
            errors: load.errors,
            dropped: load.dropped,
            in_progress: load.in_progress,
            success_rate: load.success_rate(),
            metrics: load.metrics.iter().filter_map(metric).collect(),
            last_report: self.time(load.last_report),
            ..Default::default()
        };
        if let Some((service, colour)) = self.served.environment(&cluster.cluster) {
            let environment = service.environment(colour);
            stats.service = service.name.to_string();
            stats.set_environment(views::colour(colour));
            stats.set_role(views::role(environment.role));
            let deployment = environment.deployment.as_ref();
            stats.version = deployment
                .map(|one| one.version.clone())
                .unwrap_or_default();
        }
        stats
    }
}

fn metric((name, metric): (&Arc<str>, &crate::telemetry::Metric)) -> Option<api::MetricStats> {
    Some(api::MetricStats {
        name: name.to_string(),
        count: metric.count,
        sum: metric.sum,
        mean: metric.mean()?,
    })
}

/// The clusters of a fleet's newest revision, and which of them are environments.
struct Served {
    head: Option<Arc<Head>>,
    environments: BTreeMap<Arc<str>, (crate::model::Name, Colour)>,
}

impl Served {
    fn of(handle: &Handle) -> Self {
        let head = handle.head();
        let services = head.iter().flat_map(|head| head.state.services.values());
        let environments = services.flat_map(|service| {
            [Colour::Blue, Colour::Green].map(|colour| {
                let cluster = cluster_name(&service.name, colour);
                (cluster, (service.name.clone(), colour))
            })
        });
        Self {
            environments: environments.collect(),
            head,
        }
    }

    fn has(&self, cluster: &str) -> bool {
        let clusters = self.head.as_ref();
        let clusters = clusters.and_then(|head| head.snapshot.get(TypeUrl::Cluster));
        clusters.is_some_and(|set| set.resources.contains_key(cluster))
    }

    fn environment(&self, cluster: &str) -> Option<(&ServiceState, Colour)> {
        let (service, colour) = self.environments.get(cluster)?;
        let service = self.head.as_ref()?.state.services.get(service)?;
        Some((service, *colour))
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
