//! What is read out of the book: sums over a window, by cluster and by proxy.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    book::{Book, LeftOut, OF_CLUSTER, OF_PROXY, ProxyRow, Row, Stream},
    load::{ClusterLoad, Load, ProxyLoad, Reporter},
    series::Shape,
};

impl Stream {
    fn add_in_progress<'a>(&'a self, to: &mut BTreeMap<&'a str, u64>) {
        for (cluster, count) in &self.in_progress {
            let sum = to.entry(cluster).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

impl Book {
    pub(super) fn all_clusters(&self, since: Option<Timestamp>) -> Vec<ClusterLoad> {
        let open = self.in_progress();
        let rows = self.clusters.iter();
        rows.map(|(name, row)| self.load(name, row, since, OF_CLUSTER, &open))
            .collect()
    }

    pub(super) fn one_cluster(&self, name: &str, since: Option<Timestamp>) -> Option<Load> {
        let (name, row) = self.clusters.get_key_value(name)?;
        let open = self.in_progress();
        Some(self.load(name, row, since, OF_CLUSTER, &open).load)
    }

    pub(super) fn all_proxies(&self, since: Option<Timestamp>) -> Vec<ProxyLoad> {
        let mut open: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for stream in self.streams.values() {
            stream.add_in_progress(open.entry(&stream.proxy).or_default());
        }
        let nothing = BTreeMap::new();
        let proxies = self.proxies.iter();
        proxies
            .map(|(name, row)| {
                let open = open.get(&**name).unwrap_or(&nothing);
                self.proxy(name, row, since, open)
            })
            .collect()
    }

    pub(super) fn one_proxy(&self, name: &str, since: Option<Timestamp>) -> Option<ProxyLoad> {
        let (name, row) = self.proxies.get_key_value(name)?;
        let mut open = BTreeMap::new();
        let streams = self.streams.values();
        for stream in streams.filter(|stream| stream.proxy == *name) {
            stream.add_in_progress(&mut open);
        }
        Some(self.proxy(name, row, since, &open))
    }

    pub(super) fn reporters(&self) -> Vec<Reporter> {
        let rows = self.proxies.iter();
        rows.map(|(name, row)| Reporter {
            proxy: name.clone(),
            streams: row.streams,
            last_report: row.last_report,
        })
        .collect()
    }

    pub(super) fn reporting(&self) -> usize {
        self.proxies.values().filter(|row| row.streams > 0).count()
    }

    pub(super) fn left_out(&self) -> LeftOut {
        LeftOut {
            metrics: self.left_out.metrics.saturating_add(self.room.refused),
            ..self.left_out
        }
    }

    fn in_progress(&self) -> BTreeMap<&str, u64> {
        let mut open = BTreeMap::new();
        for stream in self.streams.values() {
            stream.add_in_progress(&mut open);
        }
        open
    }

    fn load(
        &self,
        name: &Arc<str>,
        row: &Row,
        since: Option<Timestamp>,
        shape: Shape,
        open: &BTreeMap<&str, u64>,
    ) -> ClusterLoad {
        let windowed = since
            .filter(|since| *since > self.started)
            .map(|since| row.series.since(since, shape));
        let (sums, since) = match &windowed {
            Some((sums, since)) => (sums, *since),
            None => (row.series.total(), self.started),
        };
        let metrics = sums.metrics.iter().filter_map(|(id, metric)| {
            let name = self.metric_names.get(usize::from(id.0))?;
            Some((name.clone(), *metric))
        });
        ClusterLoad {
            cluster: name.clone(),
            load: Load {
                since,
                issued: sums.issued,
                successful: sums.successful,
                errors: sums.errors,
                dropped: sums.dropped,
                in_progress: open.get(&**name).copied().unwrap_or_default(),
                metrics: metrics.collect(),
                last_report: row.last_report,
            },
        }
    }

    fn proxy(
        &self,
        name: &Arc<str>,
        row: &ProxyRow,
        since: Option<Timestamp>,
        open: &BTreeMap<&str, u64>,
    ) -> ProxyLoad {
        let clusters = row.clusters.iter();
        ProxyLoad {
            proxy: name.clone(),
            streams: row.streams,
            last_report: row.last_report,
            clusters: clusters
                .map(|(name, row)| self.load(name, row, since, OF_PROXY, open))
                .collect(),
        }
    }
}
