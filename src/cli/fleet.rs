//! `fleet`: a line per proxy, as `istioctl proxy-status` has it; and `fleet forget`.

use serde::Serialize;

use super::{
    age::age,
    client::{Context, actor},
    convert,
    error::Error,
    fleet_stats, fleet_text,
    report::Proxies,
};
use crate::{api, model::HumanDuration};

/// Show the proxies of a fleet, and what each of them has accepted
///
/// Per type: SYNCED, STALE (not the newest yet), NACKED (rejected) or NOT SENT, and the revision accepted.
/// With -o json: a list of fleets, one fleet with NAME, one proxy with PROXY.
///
/// With --stats: what the proxies report of their traffic, per cluster: requests, errors (5xx and failures), requests
/// open now, and the metrics that backends report of themselves (ORCA).
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "bluegreen fleet [NAME [PROXY]]\n       bluegreen fleet --stats [--since DURATION] [--all] [NAME [PROXY]]\n       bluegreen fleet forget FLEET PROXY",
    after_help = "\
Examples:
  bluegreen fleet
  bluegreen fleet payments
  bluegreen fleet payments envoy-3
  bluegreen fleet --stats payments --since 5m
  bluegreen fleet forget payments envoy-3"
)]
pub struct Args {
    /// The fleet; all without it. With --stats it may be a proxy
    name: Option<String>,
    /// One of its proxies, with the errors it reported
    proxy: Option<String>,
    /// Requests, errors, requests in progress and ORCA metrics, per cluster and proxy
    #[arg(long)]
    stats: bool,
    /// Count only what happened within that time; without it, since the server started
    #[arg(long, value_name = "DURATION", requires = "stats")]
    since: Option<HumanDuration>,
    /// Also clusters that the fleet's newest revision does not have
    #[arg(long, requires = "stats")]
    all: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Take a proxy that is away off the roster, so that nothing waits for it
    #[command(after_help = "Example:\n  bluegreen fleet forget payments envoy-3")]
    Forget {
        /// The fleet
        fleet: String,
        /// The proxy
        proxy: String,
    },
}

/// One fleet and its proxies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fleet {
    pub fleet: String,
    pub revision: u64,
    /// Proxies wait for it; nothing is declared yet.
    pub waiting: bool,
    pub delivery: Proxies,
    pub proxies: Vec<Proxy>,
    pub alarms: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proxy {
    pub proxy: String,
    pub address: String,
    pub connected: bool,
    pub since: String,
    pub software: String,
    pub duplicate: bool,
    /// What an operator should know of it.
    pub warnings: Vec<String>,
    pub types: Vec<Type>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Type {
    #[serde(rename = "type")]
    pub type_: String,
    pub state: &'static str,
    pub revision: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Clusters that the proxy must accept before it gets the newest of this type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_for: Vec<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    if let Some(Command::Forget { fleet, proxy }) = args.command {
        return forget(cx, fleet, proxy).await;
    }
    if args.stats {
        let request = api::GetStatsRequest {
            fleet: args.name.unwrap_or_default(),
            proxy: args.proxy.unwrap_or_default(),
            window_ms: args.since.map_or(0, |since| {
                u64::try_from(since.0.as_millis()).unwrap_or(u64::MAX)
            }),
            all_clusters: args.all,
        };
        return fleet_stats::run(cx, request).await;
    }
    let request = api::GetFleetsRequest {
        fleet: args.name.clone().unwrap_or_default(),
        proxy: args.proxy.clone().unwrap_or_default(),
    };
    let answer = cx.connect().await?.get_fleets(request).await;
    let answer = answer.map_err(|e| cx.failed(&e))?.into_inner();
    let fleets: Vec<Fleet> = answer.fleets.into_iter().map(fleet).collect();
    let now = jiff::Timestamp::now();
    match (fleets.as_slice(), &args.name, &args.proxy) {
        ([fleet], Some(_), Some(name)) => {
            let Some(proxy) = fleet.proxies.iter().find(|proxy| proxy.proxy == *name) else {
                return Err(Error::NotFound(format!(
                    "fleet {} has no proxy {name}",
                    fleet.fleet
                )));
            };
            cx.out
                .data(proxy, || fleet_text::proxy(proxy, |since| age(since, now)))?;
        }
        ([fleet], Some(_), None) => {
            cx.out.data(fleet, || {
                fleet_text::fleets(&fleets, |since| age(since, now))
            })?;
        }
        ([], Some(name), _) => return Err(Error::NotFound(format!("there is no fleet {name}"))),
        _ => cx.out.data(&fleets, || {
            fleet_text::fleets(&fleets, |since| age(since, now))
        })?,
    }
    Ok(0)
}

async fn forget(cx: &Context, fleet: String, proxy: String) -> Result<u8, Error> {
    let request = api::ForgetProxyRequest {
        fleet: fleet.clone(),
        proxy: proxy.clone(),
        actor: actor(),
    };
    let answer = cx.connect().await?.forget_proxy(request).await;
    answer.map_err(|e| cx.failed(&e))?;
    let message = format!("{proxy} is off the roster of fleet {fleet}");
    let done = serde_json::json!({
        "fleet": fleet, "proxy": proxy, "result": "done", "exitCode": 0, "message": message,
    });
    cx.out.data(&done, || format!("{message}\n"))?;
    Ok(0)
}

fn fleet(fleet: api::FleetStatus) -> Fleet {
    Fleet {
        fleet: fleet.fleet,
        revision: fleet.revision,
        waiting: fleet.waiting,
        delivery: fleet
            .delivery
            .as_ref()
            .map(Proxies::from)
            .unwrap_or_default(),
        proxies: fleet.proxies.into_iter().map(proxy).collect(),
        alarms: fleet.alarms,
    }
}

fn proxy(proxy: api::ProxyStatus) -> Proxy {
    let types = proxy.types.into_iter().map(|t| Type {
        state: convert::type_state(t.state),
        type_: t.r#type,
        revision: t.revision,
        error: t.error,
        resources: t.resources,
        held_for: t.held_for,
    });
    Proxy {
        proxy: proxy.proxy,
        address: proxy.address,
        connected: proxy.connected,
        since: proxy.since,
        software: proxy.software,
        duplicate: proxy.duplicate,
        warnings: proxy.warnings,
        types: types.collect(),
    }
}
