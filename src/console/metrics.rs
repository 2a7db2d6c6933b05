//! `/metrics`: how the fleets stand at the moment of the scrape, beside what others count.
//!
//! No label names a proxy: a fleet of ten thousand would be ten thousand series. A label names a fleet only once
//! something was declared for it, so that no client can make up series.

use std::{collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text::encode},
    metrics::MetricType,
    registry::Registry,
};

use crate::{
    controller::{Controllers, Handle},
    fleet::{Counts, ProxyView, TypeState},
};

/// How all fleets stand.
pub struct FleetMetrics(Arc<Controllers>);

impl FleetMetrics {
    /// Of the fleets of these controllers.
    pub fn new(controllers: Arc<Controllers>) -> Self {
        Self(controllers)
    }
}

impl fmt::Debug for FleetMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetMetrics")
    }
}

/// Everything that is registered, as OpenMetrics text.
///
/// # Errors
/// A collector failed.
pub fn text(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

/// One fleet at the moment of the scrape.
struct Standing {
    fleet: String,
    revision: u64,
    connected: u64,
    away: u64,
    duplicates: u64,
    /// Connected proxies with a type in that state, whatever the type.
    stale: u64,
    nacked: u64,
    held: u64,
    reporting: u64,
    counts: Counts,
}

impl Standing {
    fn of(handle: &Handle) -> Option<Self> {
        let head = handle.head()?;
        let newest: BTreeMap<_, _> = head
            .snapshot
            .types()
            .map(|set| (set.type_url, set.changed_in))
            .collect();
        let proxies = handle.ledger().proxies(&newest);
        let count = |is_so: &dyn Fn(&ProxyView) -> bool| {
            proxies.iter().filter(|proxy| is_so(proxy)).count() as u64
        };
        let in_state = |state: TypeState| {
            count(&|proxy| proxy.connected && proxy.types.iter().any(|t| t.state == state))
        };
        Some(Self {
            fleet: handle.name().to_string(),
            revision: head.meta.revision.0,
            connected: count(&|proxy| proxy.connected),
            away: count(&|proxy| !proxy.connected),
            duplicates: count(&|proxy| proxy.duplicate),
            stale: in_state(TypeState::Stale),
            nacked: in_state(TypeState::Nacked),
            held: count(&|proxy| {
                proxy.connected && proxy.types.iter().any(|t| !t.held_for.is_empty())
            }),
            reporting: handle.reporting(&proxies) as u64,
            counts: handle.ledger().counts(),
        })
    }
}

/// The gauges of a fleet: name, help, value.
type Gauge = (&'static str, &'static str, fn(&Standing) -> u64);

const GAUGES: [Gauge; 6] = [
    ("bluegreen_fleet_revision", "The newest revision", |fleet| {
        fleet.revision
    }),
    (
        "bluegreen_proxies_duplicate",
        "Connected proxies that share their node id with another",
        |fleet| fleet.duplicates,
    ),
    (
        "bluegreen_proxies_stale",
        "Connected proxies that have not accepted the newest revision of every type",
        |fleet| fleet.stale,
    ),
    (
        "bluegreen_proxies_nacked",
        "Connected proxies that rejected what they were sent last of a type",
        |fleet| fleet.nacked,
    ),
    (
        "bluegreen_proxies_held",
        "Connected proxies for which a route waits until they have its cluster",
        |fleet| fleet.held,
    ),
    (
        "bluegreen_proxies_reporting",
        "Proxies that report their load",
        |fleet| fleet.reporting,
    ),
];

/// The counters of a fleet: name, help, value.
type Counter = (&'static str, &'static str, fn(&Counts) -> u64);

const COUNTERS: [Counter; 2] = [
    (
        "bluegreen_streams_opened",
        "Discovery streams on which a proxy said who it is",
        |counts| counts.streams_opened,
    ),
    (
        "bluegreen_streams_closed",
        "Of those, the ones that have ended",
        |counts| counts.streams_closed,
    ),
];

impl Collector for FleetMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let fleets = self.0.fleets();
        let declared: Vec<Standing> = fleets.iter().filter_map(Standing::of).collect();
        let waiting = fleets.len().saturating_sub(declared.len()) as u64;
        encoder
            .encode_descriptor(
                "bluegreen_fleets_waiting",
                "Fleets that proxies named and nothing is declared for",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&waiting)?;
        let mut proxies = encoder.encode_descriptor(
            "bluegreen_proxies",
            "Proxies on the roster",
            None,
            MetricType::Gauge,
        )?;
        for fleet in &declared {
            for (state, count) in [("connected", fleet.connected), ("away", fleet.away)] {
                proxies
                    .encode_family(&[("fleet", fleet.fleet.as_str()), ("state", state)])?
                    .encode_gauge(&count)?;
            }
        }
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for fleet in &declared {
                family
                    .encode_family(&[("fleet", fleet.fleet.as_str())])?
                    .encode_gauge(&value(fleet))?;
            }
        }
        for (name, help, value) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for fleet in &declared {
                family
                    .encode_family(&[("fleet", fleet.fleet.as_str())])?
                    .encode_counter::<NoLabelSet, _, u64>(&value(&fleet.counts), None)?;
            }
        }
        let mut nacks = encoder.encode_descriptor(
            "bluegreen_nacks",
            "Rejections by proxies",
            None,
            MetricType::Counter,
        )?;
        for fleet in &declared {
            for (type_url, count) in &fleet.counts.nacks {
                nacks
                    .encode_family(&[("fleet", fleet.fleet.as_str()), ("type", type_url.short())])?
                    .encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
        Ok(())
    }
}
