//! `apply`: declare documents.

use std::path::PathBuf;

use super::{
    args,
    client::Context,
    confirm,
    error::Error,
    files,
    perform::{finish, perform, rehearse},
    report::Report,
};
use crate::{api, model::HumanDuration};

/// Declare services and Envoy resources, as written in files
///
/// What was applied last is remembered, and only what the author changed since is changed: versions and endpoints
/// that came by `deploy`, `scale` or `switch` stay, and are reported as drift. Applying the same again changes
/// nothing and succeeds. The plan is shown on stderr; the answer comes as soon as the change is durable, or with
/// --wait when the fleet has accepted it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen apply -f fraud-model.yaml
  bluegreen apply -f services/ extra.json --dry-run
  kustomize build . | bluegreen apply -f - --wait 30s")]
pub struct Args {
    /// Files to apply; `-` is standard input, a directory its *.yaml, *.yml and *.json
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Don't ask when resources are removed
    #[arg(long)]
    yes: bool,
    /// Accept resources whose references lead nowhere
    #[arg(long)]
    no_verify: bool,
    /// Allow a new version, other endpoints or none in an environment that is standby
    #[arg(long)]
    replace_standby: bool,
    /// Allow to leave the live environment without endpoints
    #[arg(long)]
    force: bool,
    /// How long to wait for the fleet to accept
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    wait: HumanDuration,
    #[command(flatten)]
    change: args::Change,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.change.meta(args.wait));
    let request = api::ApplyRequest {
        meta: Some(meta.clone()),
        files: files::read(&args.files)?,
        no_verify: args.no_verify,
        replace_standby: args.replace_standby,
        force: args.force,
    };
    if !args.yes && !meta.dry_run {
        let confirmed = confirm_removals(cx, &meta, &request).await;
        if confirmed.is_err() {
            return finish(cx, &meta, Report::of(&meta), confirmed);
        }
    }
    perform(cx, &meta, async |mut client| {
        client.apply(request.clone()).await
    })
    .await
}

/// Plans first, and asks when the plan takes something away from a fleet.
async fn confirm_removals(
    cx: &Context,
    meta: &api::CommandMeta,
    request: &api::ApplyRequest,
) -> Result<(), Error> {
    let report = rehearse(cx, meta, async |mut client, meta| {
        let request = api::ApplyRequest {
            meta: Some(meta),
            ..request.clone()
        };
        client.apply(request).await
    })
    .await?;
    let removed = report.removed();
    if removed.is_empty() {
        return Ok(());
    }
    confirm::ask(&format!("this removes {}", removed.join(", "))).await
}
