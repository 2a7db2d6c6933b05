//! `release`: a version on its whole way, with one command.

use super::{
    exit,
    track::{Until, track},
};
use crate::{
    api,
    cli::{
        args,
        client::Context,
        error::Error,
        perform::{carry_out, finish},
        rollout::text::status_lines,
    },
    model::{Endpoint, HumanDuration},
};

/// Release a version: stage it, run the gates, move the traffic, watch it, keep the way back
///
/// What happens is declared in `spec.release` of the service. The server carries it out; this command shows it, and
/// Ctrl-C only ends the showing: `bluegreen watch SERVICE --until PHASE` joins again. It returns when the release is over,
/// waits for a person, or is where --until says.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen release fraud-model --version v1.3 --endpoint 10.0.2.1:9000 10.0.2.2:9000
  bluegreen release fraud-model --version v1.3 --promotion automatic --until completed
  bluegreen release fraud-model --version v1.3 --detach -o json

Exit codes: 0 as far as was waited for, 10 the gates did not pass, 11 rolled back, 12 aborted, 13 paused.")]
pub struct Args {
    /// The service
    service: String,
    /// The version's label, e.g. v1.3
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// Where it runs; several may follow. Without it: it is staged already, or the provision hook says where
    #[arg(long = "endpoint", value_name = "HOST:PORT", num_args = 1.., value_delimiter = ',')]
    endpoints: Vec<Endpoint>,
    /// Who says go once all gates have passed, instead of `spec.release.promotion`
    #[arg(long, value_enum, value_name = "WHO")]
    promotion: Option<Promotion>,
    /// Take the place of the standby, which makes a rollback to it impossible
    #[arg(long)]
    replace_standby: bool,
    /// Return when the release has begun and is durable
    #[arg(long)]
    detach: bool,
    /// How far to watch it
    #[arg(
        long,
        value_enum,
        value_name = "PHASE",
        default_value = "standby",
        conflicts_with = "detach"
    )]
    until: Until,
    #[command(flatten)]
    change: args::Change,
}

/// Who says go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Promotion {
    /// A person, with `switch`
    Manual,
    /// The server, as soon as all gates are Successful
    Automatic,
}

pub(in crate::cli) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    // What the fleet accepts is part of the release itself.
    let meta = cx.identify(args.change.meta(HumanDuration(std::time::Duration::ZERO)));
    let request = api::ReleaseRequest {
        meta: Some(meta.clone()),
        service: args.service.clone(),
        version: args.version,
        endpoints: args.endpoints.iter().map(Endpoint::to_string).collect(),
        promotion: match args.promotion {
            None => api::Promotion::Unspecified,
            Some(Promotion::Manual) => api::Promotion::Manual,
            Some(Promotion::Automatic) => api::Promotion::Automatic,
        }
        .into(),
        replace_standby: args.replace_standby,
    };
    let (report, done) = carry_out(cx, &meta, async |mut client| {
        client.release(request.clone()).await
    })
    .await;
    if done.is_err() || args.detach || meta.dry_run {
        return finish(cx, &meta, report, done);
    }
    watched(cx, &args.service, args.until).await
}

/// Watches the newest release of a service, prints how it stands then, and says what to exit with.
pub(in crate::cli) async fn watched(
    cx: &Context,
    service: &str,
    until: Until,
) -> Result<u8, Error> {
    let release = track(cx, service, 0, until).await?;
    cx.out.data(&release, || {
        format!("{service}\n{}", status_lines(&release))
    })?;
    Ok(exit::of_phase(&release.phase))
}
