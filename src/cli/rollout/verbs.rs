//! `validate`, `pause`, `resume`, `abort`, `retry`.

use super::{
    begin::watched,
    steer::{self, Told},
    track::Until,
};
use crate::{
    api::{CommandMeta, steer_request::Verb},
    cli::{args, client::Context, error::Error},
    model::HumanDuration,
};

/// Run the gates against what is staged
///
/// Needs no release on its way: it begins one. It returns when the gates have ended; Ctrl-C ends the watching only.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen validate fraud-model
  bluegreen validate fraud-model -o json | jq .checks

Exit codes: 0 all gates are Successful, 10 they are not.")]
pub struct ValidateArgs {
    #[command(flatten)]
    on: Watched,
}

/// Keep a release in the phase that it is in
///
/// Checks that run are cancelled, time stops, the traffic stays where it is. A rollback is possible all the same.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen pause fraud-model -m 'looking at a spike'")]
pub struct PauseArgs {
    #[command(flatten)]
    on: Steered,
}

/// Let a paused release go on
///
/// It goes on where it was paused, and the checks of that phase begin anew.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen resume fraud-model
  bluegreen resume fraud-model --skip-monitors -m 'no traffic at night; looked at by hand'")]
pub struct ResumeArgs {
    /// Go on with the next phase or step, without what is left of the monitors and of the time of this one; recorded
    #[arg(long)]
    skip_monitors: bool,
    #[command(flatten)]
    on: Steered,
}

/// Give a release up; traffic that has moved goes back at once
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen abort fraud-model -m 'wrong weights file'")]
pub struct AbortArgs {
    #[command(flatten)]
    on: Steered,
}

/// Try again what failed: the gates, or the provision hook
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen retry fraud-model")]
pub struct RetryArgs {
    #[command(flatten)]
    on: Watched,
}

/// A verb on the release of one service.
#[derive(Clone, Debug, clap::Args)]
struct Steered {
    /// The service
    service: String,
    /// How long to wait for the fleet to accept, where traffic moves
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    wait: HumanDuration,
    #[command(flatten)]
    change: args::Change,
}

/// A verb after which one watches.
#[derive(Clone, Debug, clap::Args)]
struct Watched {
    /// The service
    service: String,
    /// Return when it has begun and is durable
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    change: args::Change,
}

impl Watched {
    async fn run(self, cx: &Context, verb: Verb) -> Result<u8, Error> {
        let meta: CommandMeta = self.change.meta(HumanDuration(std::time::Duration::ZERO));
        let told = Told::new(self.service.clone(), verb);
        if self.detach {
            return steer::steer(cx, meta, &told).await;
        }
        match steer::begin(cx, meta, &told).await? {
            Some(code) => Ok(code),
            None => watched(cx, &self.service, Until::Ready).await,
        }
    }
}

impl Steered {
    async fn run(self, cx: &Context, verb: Verb) -> Result<u8, Error> {
        let meta = self.change.meta(self.wait);
        steer::steer(cx, meta, &Told::new(self.service, verb)).await
    }
}

pub(in crate::cli) async fn validate(cx: &Context, args: ValidateArgs) -> Result<u8, Error> {
    args.on.run(cx, Verb::Validate).await
}

pub(in crate::cli) async fn pause(cx: &Context, args: PauseArgs) -> Result<u8, Error> {
    args.on.run(cx, Verb::Pause).await
}

pub(in crate::cli) async fn resume(cx: &Context, args: ResumeArgs) -> Result<u8, Error> {
    let verb = match args.skip_monitors {
        true => Verb::SkipMonitors,
        false => Verb::Resume,
    };
    args.on.run(cx, verb).await
}

pub(in crate::cli) async fn abort(cx: &Context, args: AbortArgs) -> Result<u8, Error> {
    args.on.run(cx, Verb::Abort).await
}

pub(in crate::cli) async fn retry(cx: &Context, args: RetryArgs) -> Result<u8, Error> {
    args.on.run(cx, Verb::Retry).await
}
