//! `switch`: 100% of the traffic to the staged environment, in one push.

use super::{args, client::Context, convert, error::Error, perform::perform};
use crate::{api, model::Colour};

/// Move all traffic of a service, or of several, to the staged environment, in one push
///
/// The push changes route configurations and nothing else. The answer says for every proxy of the fleet, also for
/// those that are away, whether it accepted, and when the first and the last did.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen switch fraud-model -m 'v1.3: retrained in November'
  bluegreen switch fraud-model --to green --wait 1m30s -o json
  bluegreen switch fraud-model features scoring-api
  bluegreen switch scoring                            # a `kind: Group`

Going back is `bluegreen rollback fraud-model`.")]
pub struct Args {
    /// The service, or a group; several of one fleet: all of them or none, in one revision
    #[arg(value_name = "SERVICE", required = true)]
    services: Vec<String>,
    /// The environment to switch to, instead of the staged one
    #[arg(long, value_name = "COLOUR")]
    to: Option<Colour>,
    #[command(flatten)]
    pushed: args::Pushed,
    #[command(flatten)]
    waive: args::Waive,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.pushed.meta());
    let (service, services) = args::one_or_several(args.services);
    let request = api::SwitchRequest {
        meta: Some(meta.clone()),
        service,
        to: convert::to_api(args.to),
        waive: Some(args.waive.into()),
        services,
    };
    perform(cx, &meta, async |mut client| {
        client.switch(request.clone()).await
    })
    .await
}
