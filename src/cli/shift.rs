//! `shift`: a share of the traffic to the staged environment, as a canary does step by step.

use super::{args, client::Context, error::Error, perform::perform};
use crate::api;

/// Move a share of a service's traffic to its staged environment, or take it back
///
/// The push changes weights and nothing else, and is proven like a switch. With `spec.release.canary.sticky` a client that
/// was sent to the new version stays there while the share grows. `switch` moves the rest.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen shift fraud-model --weight 10
  bluegreen shift fraud-model --weight 0 -m 'latency of v1.3'")]
pub struct Args {
    /// The service
    service: String,
    /// The share of the staged environment, in percent; 0 takes it back
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=99))]
    weight: u32,
    #[command(flatten)]
    pushed: args::Pushed,
    #[command(flatten)]
    waive: args::Waive,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.pushed.meta());
    let request = api::ShiftRequest {
        meta: Some(meta.clone()),
        service: args.service,
        weight: args.weight,
        waive: Some(args.waive.into()),
    };
    perform(cx, &meta, async |mut client| {
        client.shift(request.clone()).await
    })
    .await
}
