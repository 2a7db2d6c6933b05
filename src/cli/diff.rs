//! `diff`: what one revision has that another has not, resource by resource.

use serde::Serialize;

use super::{
    change::{change_text, counts},
    client::Context,
    error::Error,
    report::Change,
};
use crate::api;

/// Show what changed between two revisions of a fleet, resource by resource as YAML
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen diff payments 41 42      what revision 42 changed
  bluegreen diff payments 41         everything that changed since revision 41")]
pub struct Args {
    /// The fleet
    fleet: String,
    /// From this revision
    #[arg(value_name = "R1", allow_negative_numbers = true, value_parser = super::args::revision)]
    from: u64,
    /// To this one; the newest without it
    #[arg(value_name = "R2", allow_negative_numbers = true, value_parser = super::args::revision)]
    to: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Diff {
    fleet: String,
    from_revision: u64,
    to_revision: u64,
    changes: Vec<Change>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let request = api::GetDiffRequest {
        fleet: args.fleet.clone(),
        from_revision: args.from,
        to_revision: args.to.unwrap_or_default(),
    };
    let mut client = cx.connect().await?;
    let answer = client
        .get_diff(request)
        .await
        .map_err(|e| cx.failed(&e))?
        .into_inner();
    let diff = Diff {
        fleet: args.fleet,
        from_revision: answer.from_revision,
        to_revision: answer.to_revision,
        changes: answer.changes.into_iter().map(Change::from).collect(),
    };
    cx.out.data(&diff, || text(&diff))?;
    Ok(0)
}

fn text(diff: &Diff) -> String {
    let mut text = format!(
        "{}: revision {} to {}: {}\n",
        diff.fleet,
        diff.from_revision,
        diff.to_revision,
        counts(&diff.changes)
    );
    for change in &diff.changes {
        text.push_str(&change_text(change));
    }
    text
}
