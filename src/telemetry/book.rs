//! Everything that the proxies of one fleet reported, within bounds: how reports are booked.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    series::{Series, Shape, Tier},
    sums::{MetricId, Room, Sums},
    wire::ClusterStats,
};

/// Clusters of a fleet that are added up: a thousand services with both environments, and as many that are gone.
pub(super) const MAX_CLUSTERS: usize = 4_096;

/// Pairs of proxy and cluster that are added up on their own: ten thousand proxies with the live environments of six
/// services. About 2 KiB each at most. What is beyond counts for its cluster alone.
const MAX_PAIRS: usize = 65_536;

/// Names of metrics in a fleet: tens of services, each with a few measures or a distribution in tens of bins. A backend
/// that makes up names (one per request, say) must not fill the memory.
pub(super) const MAX_METRICS: usize = 1_024;

/// Metrics in all buckets of a fleet, 24 bytes each: 24 MiB.
const MAX_CELLS: usize = 1 << 20;

/// A cluster's or a metric's name that is longer is nobody's.
pub(super) const MAX_NAME: usize = 512;

/// Of a whole fleet: a gate that begins at a moment loses at most a second; a bake of two hours is seen to its end.
pub(super) const OF_CLUSTER: Shape = Shape {
    fine: Tier {
        width: 1,
        kept: 300,
    },
    coarse: Tier {
        width: 60,
        kept: 120,
    },
};

/// Of one proxy: as much as finds the one that differs from the others.
pub(super) const OF_PROXY: Shape = Shape {
    fine: Tier {
        width: 10,
        kept: 30,
    },
    coarse: Tier {
        width: 300,
        kept: 12,
    },
};

/// A report covers at most so much time before it; more is a clock that jumped, or nonsense.
const MAX_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// One stream of load reports, unique within the server's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What was reported and is not in the sums, because a bound was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Reports of clusters beyond the bound, or with a name beyond it.
    pub clusters: u64,
    /// Reports that count for their cluster, but not for their proxy.
    pub pairs: u64,
    /// Metrics.
    pub metrics: u64,
}

/// Everything that the proxies of a fleet report.
pub(super) struct Book {
    pub(super) started: Timestamp,
    pub(super) metric_ids: BTreeMap<Arc<str>, MetricId>,
    pub(super) metric_names: Vec<Arc<str>>,
    pub(super) clusters: BTreeMap<Arc<str>, Row>,
    pub(super) proxies: BTreeMap<Arc<str>, ProxyRow>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// Pairs of proxy and cluster in `proxies`.
    pub(super) pairs: usize,
    pub(super) room: Room,
    pub(super) left_out: LeftOut,
}

#[derive(Default)]
pub(super) struct Row {
    pub(super) series: Series,
    pub(super) last_report: Option<Timestamp>,
}

#[derive(Default)]
pub(super) struct ProxyRow {
    pub(super) streams: u32,
    /// When the last report came, or the stream began or ended.
    pub(super) last_word: Timestamp,
    pub(super) last_report: Option<Timestamp>,
    pub(super) clusters: BTreeMap<Arc<str>, Row>,
}

/// One open stream, with the requests that were in progress at its last report.
pub(super) struct Stream {
    pub(super) proxy: Arc<str>,
    pub(super) last_report: Option<Timestamp>,
    pub(super) in_progress: Vec<(Arc<str>, u64)>,
}

impl Book {
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            metric_ids: BTreeMap::new(),
            metric_names: Vec::new(),
            clusters: BTreeMap::new(),
            proxies: BTreeMap::new(),
            streams: BTreeMap::new(),
            pairs: 0,
            room: Room {
                free: MAX_CELLS,
                refused: 0,
            },
            left_out: LeftOut::default(),
        }
    }

    pub(super) fn open(&mut self, stream: StreamId, proxy: &str, at: Timestamp) {
        self.close(stream, at);
        let name = match self.proxies.get_key_value(proxy) {
            Some((name, _)) => name.clone(),
            None => proxy.into(),
        };
        let row = self.proxies.entry(name.clone()).or_default();
        row.streams = row.streams.saturating_add(1);
        row.last_word = at;
        self.streams.insert(
            stream,
            Stream {
                proxy: name,
                last_report: None,
                in_progress: Vec::new(),
            },
        );
    }

    pub(super) fn close(&mut self, stream: StreamId, at: Timestamp) {
        let Some(ended) = self.streams.remove(&stream) else {
            return;
        };
        if let Some(row) = self.proxies.get_mut(&ended.proxy) {
            row.streams = row.streams.saturating_sub(1);
            row.last_word = at;
            // Who told of nothing is not worth remembering.
            if row.streams == 0 && row.clusters.is_empty() {
                self.proxies.remove(&ended.proxy);
            }
        }
    }

    pub(super) fn report(&mut self, id: StreamId, report: &[ClusterStats], at: Timestamp) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let proxy = stream.proxy.clone();
        let before = stream.last_report.replace(at);
        // A cluster that a report does not name, or calls idle, has nothing in progress any more.
        let mut in_progress = Vec::new();
        if let Some(row) = self.proxies.get_mut(&proxy) {
            row.last_word = at;
            row.last_report = Some(at);
        }
        for stats in report.iter().filter(|stats| !stats.is_idle()) {
            let Some((cluster, open)) = self.add(&proxy, stats, before, at) else {
                continue;
            };
            if open > 0 {
                in_progress.push((cluster, open));
            }
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.in_progress = in_progress;
        }
    }

    /// Adds what one proxy reports of one cluster; gives back how many requests are in progress.
    fn add(
        &mut self,
        proxy: &Arc<str>,
        stats: &ClusterStats,
        before: Option<Timestamp>,
        at: Timestamp,
    ) -> Option<(Arc<str>, u64)> {
        let name = stats.cluster_name.as_str();
        let cluster = match self.clusters.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None if self.clusters.len() < MAX_CLUSTERS && name.len() <= MAX_NAME => name.into(),
            None => {
                self.left_out.clusters = self.left_out.clusters.saturating_add(1);
                return None;
            }
        };
        let (sums, open) = self.sums(stats);
        let period = stats.period().unwrap_or_else(|| {
            let since = before.map(|before| at.duration_since(before));
            since.and_then(|it| it.try_into().ok()).unwrap_or_default()
        });
        let period = SignedDuration::try_from(period.min(MAX_PERIOD)).unwrap_or_default();
        let began = at.checked_sub(period).unwrap_or(at).max(self.started);
        let row = self.clusters.entry(cluster.clone()).or_default();
        row.last_report = row.last_report.max(Some(at));
        row.series.add(began, &sums, OF_CLUSTER, &mut self.room);
        if let Some(of_proxy) = self.proxies.get_mut(proxy) {
            if !of_proxy.clusters.contains_key(&cluster) {
                if self.pairs >= MAX_PAIRS {
                    self.left_out.pairs = self.left_out.pairs.saturating_add(1);
                    return Some((cluster, open));
                }
                self.pairs += 1;
            }
            let row = of_proxy.clusters.entry(cluster.clone()).or_default();
            row.last_report = row.last_report.max(Some(at));
            row.series.add(began, &sums, OF_PROXY, &mut self.room);
        }
        Some((cluster, open))
    }

    /// Adds up the localities.
    fn sums(&mut self, stats: &ClusterStats) -> (Sums, u64) {
        let mut sums = Sums {
            dropped: stats.total_dropped_requests,
            ..Sums::default()
        };
        let mut open: u64 = 0;
        // The bound on a report is the bound on its message.
        let unbounded = &mut Room {
            free: usize::MAX,
            refused: 0,
        };
        for locality in &stats.upstream_locality_stats {
            open = open.saturating_add(locality.total_requests_in_progress);
            let mut metrics = Vec::new();
            for (name, metric) in locality.metrics() {
                match self.metric(name) {
                    Some(id) if metric.is_sound() => metrics.push((id, metric)),
                    _ => self.left_out.metrics = self.left_out.metrics.saturating_add(1),
                }
            }
            let of_locality = Sums {
                issued: locality.total_issued_requests,
                successful: locality.total_successful_requests,
                errors: locality.total_error_requests,
                dropped: 0,
                metrics,
            };
            sums.add(&of_locality, unbounded);
        }
        (sums, open)
    }

    fn metric(&mut self, name: &str) -> Option<MetricId> {
        if let Some(id) = self.metric_ids.get(name) {
            return Some(*id);
        }
        if name.len() > MAX_NAME || self.metric_names.len() >= MAX_METRICS {
            return None;
        }
        let id = MetricId(u16::try_from(self.metric_names.len()).ok()?);
        let name: Arc<str> = name.into();
        self.metric_names.push(name.clone());
        self.metric_ids.insert(name, id);
        Some(id)
    }

    pub(super) fn forget(&mut self, proxy: &str) {
        if self.proxies.get(proxy).is_some_and(|row| row.streams == 0)
            && let Some(row) = self.proxies.remove(proxy)
        {
            self.pairs -= row.clusters.len();
            for row in row.clusters.values() {
                row.series.release(&mut self.room);
            }
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp, after: Duration) {
        let longer = |since: Timestamp, than: Duration| {
            SignedDuration::try_from(than).is_ok_and(|than| now.duration_since(since) >= than)
        };
        let away = self.proxies.iter();
        let away: Vec<Arc<str>> = away
            .filter(|(_, row)| row.streams == 0 && longer(row.last_word, after))
            .map(|(name, _)| name.clone())
            .collect();
        for proxy in away {
            self.forget(&proxy);
        }
        if self.clusters.len() > MAX_CLUSTERS / 2 {
            let reach = OF_CLUSTER.coarse.width * OF_CLUSTER.coarse.kept;
            let reach = Duration::from_secs(u64::try_from(reach).unwrap_or_default());
            let room = &mut self.room;
            self.clusters.retain(|_, row| {
                let keep = row.last_report.is_some_and(|last| !longer(last, reach));
                if !keep {
                    row.series.release(room);
                }
                keep
            });
        }
    }
}
