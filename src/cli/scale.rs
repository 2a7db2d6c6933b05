//! `scale`: other endpoints for the same deployment.

use super::{args, client::Context, convert, error::Error, perform::perform};
use crate::{
    api,
    model::{Colour, Endpoint},
};

/// Give the deployment of one environment other endpoints
///
/// The endpoints given are all it has afterwards. The version stays: a new one is a `deploy`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen scale fraud-model green --endpoint 10.0.0.7:9000 10.0.0.8:9000 10.0.0.9:9000
  bluegreen scale fraud-model blue --endpoint 10.0.0.5:9000 --dry-run")]
pub struct Args {
    /// The service
    service: String,
    /// The environment: blue or green
    colour: Colour,
    /// Where it listens from then on; several may follow, none empties the environment
    #[arg(long = "endpoint", value_name = "HOST:PORT", required = true, num_args = 0.., value_delimiter = ',')]
    endpoints: Vec<Endpoint>,
    /// Allow to change the standby
    #[arg(long)]
    replace_standby: bool,
    /// Allow to leave the live environment without endpoints
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pushed: args::Pushed,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.pushed.meta());
    let request = api::ScaleRequest {
        meta: Some(meta.clone()),
        service: args.service,
        colour: convert::to_api(Some(args.colour)),
        endpoints: args.endpoints.iter().map(Endpoint::to_string).collect(),
        replace_standby: args.replace_standby,
        force: args.force,
    };
    perform(cx, &meta, async |mut client| {
        client.scale(request.clone()).await
    })
    .await
}
