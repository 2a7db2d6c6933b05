//! `approve` and `reject`: what a person says to a `manual` check.

use super::steer::{Told, steer};
use crate::{
    api::steer_request::Verb,
    cli::{args, client::Context, error::Error},
    model::HumanDuration,
};

/// Say yes to a manual check of the release that is on its way
///
/// Who, when and why are kept in the record of the release.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen approve fraud-model --check sign-off -m 'looked at the drift report'")]
pub struct ApproveArgs {
    #[command(flatten)]
    said: Said,
}

/// Say no to a manual check of the release that is on its way
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen reject fraud-model --check sign-off -m 'recall is too low for cards'")]
pub struct RejectArgs {
    #[command(flatten)]
    said: Said,
}

#[derive(Clone, Debug, clap::Args)]
struct Said {
    /// The service
    service: String,
    /// The name of the check; without it the only one that waits
    #[arg(long, value_name = "NAME", default_value = "")]
    check: String,
    /// The step of a canary that you have looked at; refused once the release is at another. Without it, whichever it is at
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    step: u32,
    #[command(flatten)]
    change: args::Change,
}

impl Said {
    async fn run(self, cx: &Context, verb: Verb) -> Result<u8, Error> {
        let meta = self.change.meta(HumanDuration(std::time::Duration::ZERO));
        let told = Told {
            check: self.check,
            step: self.step,
            ..Told::new(self.service, verb)
        };
        steer(cx, meta, &told).await
    }
}

pub(in crate::cli) async fn approve(cx: &Context, args: ApproveArgs) -> Result<u8, Error> {
    args.said.run(cx, Verb::Approve).await
}

pub(in crate::cli) async fn reject(cx: &Context, args: RejectArgs) -> Result<u8, Error> {
    args.said.run(cx, Verb::Reject).await
}
