//! The record of a release: what one shows to whoever asks, later, who let this happen and what was known.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Purpose, Rollout};
use crate::model::{Endpoint, Name, Revision, check::Analysis};

/// Proxies whose own time is kept per push: the slowest. Of a larger fleet first, median and last say the rest.
pub const MAX_PROXY_ACKS: usize = 1_000;

/// Analysis runs that are kept: a canary of 32 steps, retries and a bake. Of more, those in the middle go.
const MAX_ANALYSES: usize = 64;

/// Pushes that are kept: as many steps, the switch, the way back, and room.
const MAX_DELIVERIES: usize = 64;

/// One release of a service, as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseRecord {
    /// The fleet.
    pub fleet: Name,
    /// The service.
    pub service: Name,
    /// Who, when, why, versions, phases with their reasons, waivers, rollbacks.
    pub rollout: Rollout,
    /// Where the new deployment ran when it was looked at last.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Where the deployment before ran when it was looked at last.
    #[serde(default)]
    pub from_endpoints: Vec<Endpoint>,
    /// The service's resources before its traffic moved.
    #[serde(default)]
    pub before: Vec<ResourceDigest>,
    /// The service's resources after its traffic moved last.
    #[serde(default)]
    pub after: Vec<ResourceDigest>,
    /// Every gate and monitor with its measurements, in the order of their runs.
    #[serde(default)]
    pub analyses: Vec<AnalysisRecord>,
    /// Every push of its traffic and who accepted it when, in order.
    #[serde(default)]
    pub deliveries: Vec<DeliveryRecord>,
    /// When it was last added to.
    pub updated_at: Timestamp,
}

/// A resource and the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDigest {
    /// Its type, short: `RouteConfiguration`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The digest of its bytes.
    pub digest: String,
}

/// One analysis run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisRecord {
    /// Its number in the release.
    pub number: u64,
    /// What it was for.
    pub purpose: Purpose,
    /// What came of it.
    pub analysis: Analysis,
}

/// One push of the release's traffic, on its way to the proxies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRecord {
    /// The revision.
    pub revision: Revision,
    /// What it did, in a sentence.
    pub what: String,
    /// When it was durable, and pushed.
    pub at: Timestamp,
    /// Proxies of the roster.
    pub total: u32,
    /// Of these, those that accepted it.
    pub acked: u32,
    /// Of these, those that rejected it.
    pub nacked: u32,
    /// When the first accepted it.
    pub first: Option<Timestamp>,
    /// When half of those that accepted it had.
    pub median: Option<Timestamp>,
    /// When the last accepted it.
    pub last: Option<Timestamp>,
    /// The slowest proxies, the slowest first.
    #[serde(default)]
    pub proxies: Vec<ProxyAck>,
}

/// When a proxy accepted a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyAck {
    /// Its `node.id`.
    pub proxy: Arc<str>,
    /// When.
    pub at: Timestamp,
}

impl DeliveryRecord {
    /// Enters who accepted it when. Times of acceptance may come in any order.
    pub fn accepted(&mut self, mut acks: Vec<ProxyAck>) {
        acks.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.proxy.cmp(&b.proxy)));
        self.acked = u32::try_from(acks.len()).unwrap_or(u32::MAX);
        self.last = acks.first().map(|ack| ack.at);
        self.first = acks.last().map(|ack| ack.at);
        // Sorted backwards: of an even number, the earlier of the two in the middle.
        self.median = acks.get(acks.len() / 2).map(|ack| ack.at);
        acks.truncate(MAX_PROXY_ACKS);
        self.proxies = acks;
    }
}

impl ReleaseRecord {
    /// Of a release of which nothing else is known yet.
    pub fn new(fleet: Name, service: Name, rollout: Rollout) -> Self {
        Self {
            fleet,
            service,
            endpoints: Vec::new(),
            from_endpoints: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            analyses: Vec::new(),
            deliveries: Vec::new(),
            updated_at: rollout.since,
            rollout,
        }
    }

    /// Enters what came of an analysis, in place of what was known of it before.
    pub fn analysed(&mut self, record: AnalysisRecord) {
        match self
            .analyses
            .iter_mut()
            .find(|it| it.number == record.number)
        {
            Some(known) => *known = record,
            None => {
                self.analyses.push(record);
                self.analyses.sort_by_key(|it| it.number);
                if self.analyses.len() > MAX_ANALYSES {
                    self.analyses.remove(MAX_ANALYSES / 2);
                }
            }
        }
    }

    /// Enters how far a push is, in place of what was known of it before.
    pub fn delivered(&mut self, record: DeliveryRecord) {
        match self
            .deliveries
            .iter_mut()
            .find(|it| it.revision == record.revision)
        {
            Some(known) => *known = record,
            None => {
                self.deliveries.push(record);
                self.deliveries.sort_by_key(|it| it.revision);
                if self.deliveries.len() > MAX_DELIVERIES {
                    self.deliveries.remove(MAX_DELIVERIES / 2);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_push_is_summed_up_by_first_median_and_last() {
        let mut push = DeliveryRecord {
            revision: Revision(7),
            what: String::new(),
            at: at(0),
            total: 4,
            acked: 0,
            nacked: 0,
            first: None,
            median: None,
            last: None,
            proxies: Vec::new(),
        };
        push.accepted(Vec::new());
        assert_eq!(
            (push.acked, push.first, push.median, push.last),
            (0, None, None, None)
        );
        let acks = [(3, "c"), (1, "a"), (9, "d"), (2, "b")];
        push.accepted(
            acks.map(|(second, proxy)| ProxyAck {
                proxy: proxy.into(),
                at: at(second),
            })
            .into(),
        );
        assert_eq!(push.acked, 4);
        assert_eq!(
            (push.first, push.median, push.last),
            (Some(at(1)), Some(at(2)), Some(at(9)))
        );
        assert_eq!(&*push.proxies[0].proxy, "d");
        let many = (0..2 * MAX_PROXY_ACKS as i64).map(|n| ProxyAck {
            proxy: n.to_string().into(),
            at: at(n),
        });
        push.accepted(many.collect());
        assert_eq!(push.proxies.len(), MAX_PROXY_ACKS);
        assert_eq!(push.first, Some(at(0)));
    }
}
