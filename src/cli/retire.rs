//! `retire`: the standby is given up.

use super::{args, client::Context, error::Error, perform::perform};
use crate::api;

/// Give up the standby of a service: its endpoints are taken away
///
/// After that there is no rollback to it. It is refused while a proxy of the roster may still route to it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen retire fraud-model
  bluegreen retire fraud-model --dry-run")]
pub struct Args {
    /// The service
    service: String,
    /// Retire although proxies may still route to it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pushed: args::Pushed,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.pushed.meta());
    let request = api::RetireRequest {
        meta: Some(meta.clone()),
        service: args.service,
        force: args.force,
    };
    perform(cx, &meta, async |mut client| {
        client.retire(request.clone()).await
    })
    .await
}
