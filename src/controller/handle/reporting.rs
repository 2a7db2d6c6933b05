//! How many of a fleet's proxies report their load.

use std::{collections::BTreeMap, sync::Arc};

use super::Handle;
use crate::fleet::ProxyView;

impl Handle {
    /// How many of these are connected and report their load. Of those that share a node id as many do as there are streams of
    /// reports; who only reports, and asks for no configuration, is none of the connected.
    pub fn reporting<'a>(&self, proxies: impl IntoIterator<Item = &'a ProxyView>) -> usize {
        let reporters = self.telemetry().reporters().into_iter();
        let mut streams: BTreeMap<Arc<str>, u32> =
            reporters.map(|it| (it.proxy, it.streams)).collect();
        let connected = proxies.into_iter().filter(|proxy| proxy.connected);
        let reports = connected.filter(|proxy| {
            let left = streams.get_mut(&proxy.info.id).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        });
        reports.count()
    }
}
