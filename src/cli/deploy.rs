//! `deploy`: a new version into the environment that is empty or staged.

use super::{args, client::Context, error::Error, perform::perform};
use crate::{api, model::Endpoint};

/// Put a new version of a service into the environment that is empty or staged
///
/// It gets no traffic: `switch` moves the traffic when every proxy knows its endpoints and they answer.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen deploy fraud-model --version v1.3 --endpoint 10.0.0.7:9000 10.0.0.8:9000
  bluegreen deploy fraud-model --version v1.3 --endpoint models-green.internal:9000")]
pub struct Args {
    /// The service
    service: String,
    /// Your name for what is deployed, e.g. v1.3
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// Where it listens; several may follow, names are resolved by the server and followed
    #[arg(long = "endpoint", value_name = "HOST:PORT", required = true, num_args = 1.., value_delimiter = ',')]
    endpoints: Vec<Endpoint>,
    /// Take the place of the standby: there is no rollback to it any more
    #[arg(long)]
    replace_standby: bool,
    #[command(flatten)]
    pushed: args::Pushed,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.pushed.meta());
    let request = api::DeployRequest {
        meta: Some(meta.clone()),
        service: args.service,
        version: args.version,
        endpoints: args.endpoints.iter().map(Endpoint::to_string).collect(),
        replace_standby: args.replace_standby,
    };
    perform(cx, &meta, async |mut client| {
        client.deploy(request.clone()).await
    })
    .await
}
