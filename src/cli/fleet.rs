//! `fleet`: a line per proxy, as `istioctl proxy-status` has it; and `fleet forget`.

use super::{
    age::age,
    client::{Context, actor},
    error::Error,
    fleet_resources, fleet_stats, fleet_text,
    fleet_view::Fleet,
};
use crate::{
    api,
    model::{DurationError, HumanDuration},
};

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
    disable_help_subcommand = true,
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
    /// The fleet, or a proxy; all fleets without it
    name: Option<String>,
    /// One of its proxies, with each resource it was sent and the errors it reported
    proxy: Option<String>,
    /// Requests, errors, requests in progress and ORCA metrics, per cluster and proxy
    #[arg(long)]
    stats: bool,
    /// Count only what happened within that time; without it, since the server started
    #[arg(long, value_name = "DURATION", requires = "stats", value_parser = window)]
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

/// A length of time in which something can have happened.
fn window(text: &str) -> Result<HumanDuration, String> {
    let window: HumanDuration = text.parse().map_err(|e: DurationError| e.to_string())?;
    if window.0.is_zero() {
        return Err("nothing happens in no time: leave --since out to count from the start".into());
    }
    Ok(window)
}

/// Exit code of what does not exist (docs/operations.md).
const NOT_FOUND: u8 = 3;

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
    let now = jiff::Timestamp::now();
    let ages = |since: &str| age(since, now);
    let Some(name) = args.name else {
        let fleets = fetch(cx, "", "").await?;
        cx.out.data(&fleets, || fleet_text::fleets(&fleets, ages))?;
        return Ok(0);
    };
    if let Some(proxy) = args.proxy {
        let fleets = fetch(cx, &name, &proxy).await?;
        return one(cx, fleets, &proxy, ages).await;
    }
    let (fleets, refused) = match fetch(cx, &name, "").await {
        Ok(fleets) => (fleets, None),
        Err(error) if error.exit_code() == NOT_FOUND => (Vec::new(), Some(error)),
        Err(error) => return Err(error),
    };
    if let [fleet] = fleets.as_slice() {
        cx.out.data(fleet, || fleet_text::fleets(&fleets, ages))?;
        return Ok(0);
    }
    // It may be the name of a proxy.
    let fleets = fetch(cx, "", &name).await.unwrap_or_default();
    if fleets.iter().any(|fleet| fleet.has(&name)) {
        return one(cx, fleets, &name, ages).await;
    }
    Err(refused.unwrap_or_else(|| Error::NotFound(format!("there is no fleet {name}"))))
}

async fn fetch(cx: &Context, fleet: &str, proxy: &str) -> Result<Vec<Fleet>, Error> {
    let request = api::GetFleetsRequest {
        fleet: fleet.to_owned(),
        proxy: proxy.to_owned(),
    };
    let answer = cx.connect().await?.get_fleets(request).await;
    let answer = answer.map_err(|e| cx.failed(&e))?.into_inner();
    Ok(answer.fleets.into_iter().map(Fleet::from).collect())
}

/// One proxy on one page, with every resource that it has.
async fn one(
    cx: &Context,
    fleets: Vec<Fleet>,
    name: &str,
    ages: impl Fn(&str) -> String + Copy,
) -> Result<u8, Error> {
    let within = fleets.iter().filter(|fleet| fleet.has(name)).count();
    let mut fleets = fleets.into_iter();
    let Some(fleet) = fleets.find(|fleet| within == 0 || fleet.has(name)) else {
        return Err(Error::NotFound(format!("there is no proxy {name}")));
    };
    if within > 1 {
        return Err(Error::Usage(format!(
            "proxy {name} is in {within} fleets: name the fleet too, bluegreen fleet FLEET {name}"
        )));
    }
    let in_fleet = fleet.fleet;
    let mut proxies = fleet.proxies.into_iter();
    let Some(mut proxy) = proxies.find(|proxy| proxy.proxy == name) else {
        let message = format!("fleet {in_fleet} has no proxy {name}");
        return Err(Error::NotFound(message));
    };
    let resources = fleet_resources::fetch(cx, &in_fleet, name).await?;
    proxy.resources = Some(resources);
    cx.out.data(&proxy, || fleet_text::proxy(&proxy, ages))?;
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
