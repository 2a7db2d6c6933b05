//! The record of a release: what one shows to whoever asks, later, who let this happen and what was known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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
    /// Takes in how far the same push is now. When a proxy was first seen to accept it stays: one that comes back to a server
    /// that was started again is booked anew, and of a push that lies behind many others only later times are known. Who
    /// joins the fleet after all have accepted it took no part in it.
    fn goes_on(&mut self, mut now: DeliveryRecord) {
        if self.total > 0 && self.acked == self.total {
            return;
        }
        let mut seen: BTreeMap<Arc<str>, Timestamp> = BTreeMap::new();
        for ack in &self.proxies {
            let latest = seen.entry(ack.proxy.clone()).or_insert(ack.at);
            *latest = ack.at.max(*latest);
        }
        let mut acks = std::mem::take(&mut now.proxies);
        for ack in &mut acks {
            if let Some(at) = seen.get(&ack.proxy) {
                ack.at = ack.at.min(*at);
            }
        }
        // Away since, it has accepted it all the same.
        let there: BTreeSet<&Arc<str>> = acks.iter().map(|ack| &ack.proxy).collect();
        let away: Vec<ProxyAck> = self
            .proxies
            .iter()
            .filter(|ack| !there.contains(&ack.proxy))
            .cloned()
            .collect();
        acks.extend(away);
        let (first, acked) = (self.first, self.acked);
        now.accepted(acks);
        now.first = [now.first, first].into_iter().flatten().min();
        now.acked = now.acked.max(acked);
        now.total = now.total.max(now.acked);
        *self = now;
    }

    /// Enters who accepted it when. Times of acceptance may come in any order.
    fn accepted(&mut self, mut acks: Vec<ProxyAck>) {
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

    /// Enters how far a push had come when another one took its place, which says nothing more of who rejected it.
    pub fn delivered_at_last(&mut self, mut record: DeliveryRecord) {
        let mut known = self.deliveries.iter();
        if let Some(known) = known.find(|it| it.revision == record.revision) {
            record.nacked = record.nacked.max(known.nacked);
        }
        self.delivered(record);
    }

    /// Enters how far a push is; its `proxies` are all that accepted it, as far as is known now.
    pub fn delivered(&mut self, mut record: DeliveryRecord) {
        match self
            .deliveries
            .iter_mut()
            .find(|it| it.revision == record.revision)
        {
            Some(known) => known.goes_on(record),
            None => {
                let acks = std::mem::take(&mut record.proxies);
                record.accepted(acks);
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

    #[test]
    fn when_a_push_was_first_accepted_stays_known() {
        let push = |total, acks: &[(i64, &str)]| DeliveryRecord {
            revision: Revision(7),
            what: String::new(),
            at: at(0),
            total,
            acked: 0,
            nacked: 0,
            first: None,
            median: None,
            last: None,
            proxies: Vec::from_iter(acks.iter().map(|(second, proxy)| ProxyAck {
                proxy: (*proxy).into(),
                at: at(*second),
            })),
        };
        let entered = |pushes: Vec<DeliveryRecord>| {
            let mut first = pushes[0].clone();
            let mut pushes = pushes.into_iter();
            first.accepted(pushes.next().unwrap().proxies);
            pushes.for_each(|push| first.goes_on(push));
            first
        };
        // Two of three; the server is started again, which one of them survives away, and the third accepts it now.
        let restarted = entered(vec![
            push(3, &[(1, "a"), (2, "b")]),
            push(3, &[]),
            push(3, &[(60, "b"), (61, "c")]),
        ]);
        let told = entered(vec![push(3, &[(1, "a"), (2, "b"), (61, "c")])]);
        assert_eq!(restarted, told);
        // All of them: one that joins later is none of those.
        let joined = entered(vec![
            push(2, &[(1, "a"), (2, "b")]),
            push(3, &[(1, "a"), (60, "b"), (300, "d")]),
        ]);
        assert_eq!(joined, entered(vec![push(2, &[(1, "a"), (2, "b")])]));
        // Two that share a name are two.
        let shared = entered(vec![
            push(3, &[(1, "a"), (9, "a")]),
            push(3, &[(1, "a"), (9, "a"), (10, "b")]),
        ]);
        let told = entered(vec![push(3, &[(1, "a"), (9, "a"), (10, "b")])]);
        assert_eq!(shared, told);
    }
}
