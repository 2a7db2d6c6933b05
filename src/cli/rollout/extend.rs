//! `extend`: a bake or a standby lasts longer.

use super::steer::{Told, steer};
use crate::{
    api::steer_request::Verb,
    cli::{args, client::Context, error::Error},
    model::HumanDuration,
};

/// Let the bake or the standby of a release last longer
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen extend fraud-model --by 30m -m 'month end'")]
pub struct Args {
    /// The service
    service: String,
    /// By how much
    #[arg(long, value_name = "DURATION")]
    by: HumanDuration,
    #[command(flatten)]
    change: args::Change,
}

pub(in crate::cli) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = args.change.meta(HumanDuration(std::time::Duration::ZERO));
    let told = Told {
        extend_ms: args::millis(args.by),
        ..Told::new(args.service, Verb::Extend)
    };
    steer(cx, meta, &told).await
}
