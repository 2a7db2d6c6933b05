//! `shadow`: copies of live requests to the staged environment, for a while.

use super::{args, client::Context, error::Error, perform::perform};
use crate::{api, model::HumanDuration};

/// Mirror a share of the live requests to the staged environment, for a while
///
/// Users get the answers of the live version; those of the staged one are dropped. It ends at its time by itself, also
/// when the server is down by then.
///
/// Mirrored requests reach the new version for real: whatever it writes, sends or charges happens a second time.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen shadow fraud-model --percent 10 --for 10m
  bluegreen shadow fraud-model --stop")]
pub struct Args {
    /// The service
    service: String,
    /// The share of the live requests
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, required_unless_present = "stop", value_parser = clap::value_parser!(u32).range(1..=100))]
    percent: Option<u32>,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", default_value = "10m")]
    duration: HumanDuration,
    /// End it now
    #[arg(long, conflicts_with_all = ["percent", "duration"])]
    stop: bool,
    #[command(flatten)]
    pushed: args::Pushed,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.pushed.meta());
    let request = api::ShadowRequest {
        meta: Some(meta.clone()),
        service: args.service,
        percent: args.percent.unwrap_or_default(),
        duration_ms: args::millis(args.duration),
        stop: args.stop,
    };
    perform(cx, &meta, async |mut client| {
        client.shadow(request.clone()).await
    })
    .await
}
