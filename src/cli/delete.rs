//! `delete`: one declared document, and everything that was built from it.

use super::{args, client::Context, confirm, error::Error, kind::Kind, perform::perform};
use crate::{api, model::HumanDuration};

/// Delete a declared document and everything that was built from it
///
/// The proxies stop routing to it. The history keeps what it was: `rollback --fleet` brings it back.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen delete service fraud-model
  bluegreen delete envoyresources extra --yes --wait 30s")]
pub struct Args {
    /// What it is: service, envoyresources or group
    kind: Kind,
    /// Its name
    name: String,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Accept that other resources refer to what is gone
    #[arg(long)]
    no_verify: bool,
    /// How long to wait for the fleet to accept
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    wait: HumanDuration,
    #[command(flatten)]
    change: args::Change,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.change.meta(args.wait));
    if !args.yes && !meta.dry_run {
        confirm::ask(&format!("this deletes {} {}", args.kind.word(), args.name)).await?;
    }
    let request = api::DeleteRequest {
        meta: Some(meta.clone()),
        kind: args.kind.name().to_owned(),
        name: args.name,
        no_verify: args.no_verify,
    };
    perform(cx, &meta, async |mut client| {
        client.delete(request.clone()).await
    })
    .await
}
