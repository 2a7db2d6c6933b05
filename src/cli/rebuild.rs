//! `rebuild`: a fleet's resources anew, with the builder of the running server.

use super::{
    args,
    change::plan_text,
    client::Context,
    confirm,
    error::Error,
    out,
    perform::{finish, perform, rehearse},
    report::Report,
};
use crate::{api, model::HumanDuration};

/// Build a fleet's resources anew from what is declared
///
/// A server serves what it has stored, byte for byte, so an upgrade of bluegreen changes no proxy by itself. This
/// shows what the new server would build differently, and does it after a yes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen rebuild payments --dry-run
  bluegreen rebuild payments --wait 30s")]
pub struct Args {
    /// The fleet
    fleet: String,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// How long to wait for the fleet to accept
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    wait: HumanDuration,
    #[command(flatten)]
    change: args::Change,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let mut meta = cx.identify(args.change.meta(args.wait));
    let mut request = api::RebuildRequest {
        meta: Some(meta.clone()),
        fleet: args.fleet,
    };
    if !args.yes && !meta.dry_run {
        if !confirm::can_ask() {
            return Err(Error::Unconfirmed {
                what: format!("rebuilding fleet {}", request.fleet),
            });
        }
        // What the plan starts from is what the command must find.
        match confirm_plan(cx, &meta, &request).await {
            Ok(None) => {}
            Ok(Some(from)) => {
                meta.if_revision = from;
                request.meta = Some(meta.clone());
            }
            Err(error) => return finish(cx, &meta, Report::of(&meta), Err(error)),
        }
    }
    perform(cx, &meta, async |mut client| {
        client.rebuild(request.clone()).await
    })
    .await
}

/// Shows the plan and asks; the revision it starts from. None: there is nothing to rebuild.
async fn confirm_plan(
    cx: &Context,
    meta: &api::CommandMeta,
    request: &api::RebuildRequest,
) -> Result<Option<u64>, Error> {
    let report = rehearse(cx, meta, async |mut client, meta| {
        let request = api::RebuildRequest {
            meta: Some(meta),
            ..request.clone()
        };
        client.rebuild(request).await
    })
    .await?;
    let Some(plan) = report.plan.iter().find(|plan| !plan.changes.is_empty()) else {
        return Ok(None);
    };
    out::stderr(&plan_text(plan));
    confirm::ask(&format!("this rebuilds fleet {}", plan.fleet)).await?;
    Ok(Some(plan.from_revision))
}
