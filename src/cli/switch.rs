//! `switch`: 100% of the traffic to the staged environment, in one push.

use super::{args, client::Context, convert, error::Error, perform::perform};
use crate::{
    api,
    model::{Colour, HumanDuration},
};

/// Move all traffic of a service to its staged environment, in one push
///
/// The push changes route configurations and nothing else. The answer says for every proxy of the fleet, also for
/// those that are away, whether it accepted, and when the first and the last did.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen switch fraud-model -m 'v1.3: retrained in November'
  bluegreen switch fraud-model --to green --wait 1m30s -o json

Going back is `bluegreen rollback fraud-model`.")]
pub struct Args {
    /// The service
    service: String,
    /// The environment to switch to, instead of the staged one
    #[arg(long, value_name = "COLOUR")]
    to: Option<Colour>,
    /// How long to wait for the fleet to accept
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    wait: HumanDuration,
    #[command(flatten)]
    change: args::Change,
    /// So many proxies may not have the target's endpoints yet
    #[arg(long, value_name = "N", default_value_t = 0)]
    allow_lagging: u32,
    /// Don't ask the target's endpoints whether they answer
    #[arg(long)]
    skip_probe: bool,
    /// Waive all preconditions, also that the target was rolled back; recorded in the history
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.change.meta(args.wait));
    let request = api::SwitchRequest {
        meta: Some(meta.clone()),
        service: args.service,
        to: convert::to_api(args.to),
        waive: Some(api::Waivers {
            allow_lagging: args.allow_lagging,
            skip_probe: args.skip_probe,
            force: args.force,
        }),
    };
    perform(cx, &meta, async |mut client| {
        client.switch(request.clone()).await
    })
    .await
}
