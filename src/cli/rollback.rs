//! `rollback`: a service back to what was live before, or a whole fleet back to an earlier revision.

use super::{
    args,
    client::Context,
    confirm,
    error::Error,
    perform::{carry_out, finish, perform},
    report::Report,
};
use crate::api;

/// The server's name for a refusal that a yes overcomes.
const SERVICES_WOULD_VANISH: &str = "services-would-vanish";

/// Move all traffic of a service back to what was live before, or restore a fleet
///
/// With SERVICE: one push to exactly the deployment that was live before, with its endpoints of today. Repeated, it
/// changes nothing and reports the same proof; it never goes forward.
///
/// With --fleet and --to-revision: what was declared in that revision is declared again, as a new revision, with
/// today's endpoints of the deployments that still exist (--exact: with the endpoints of that time).
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "bluegreen rollback [OPTIONS] SERVICE...\n       \
        bluegreen rollback [OPTIONS] --fleet FLEET --to-revision REVISION [--exact] [--yes]",
    after_help = "\
Examples:
  bluegreen rollback fraud-model -m 'false positives since 10:40'
  bluegreen rollback fraud-model features scoring-api
  bluegreen rollback --fleet payments --to-revision 42 --dry-run"
)]
pub struct Args {
    /// The service, or a group; several of one fleet: all of them or none, in one revision
    #[arg(value_name = "SERVICE", required_unless_present = "fleet", conflicts_with_all = ["fleet", "to_revision", "exact", "yes"])]
    services: Vec<String>,
    /// Restore this whole fleet
    #[arg(long, requires = "to_revision")]
    fleet: Option<String>,
    /// To this revision of it
    #[arg(long, value_name = "REVISION", allow_negative_numbers = true, requires = "fleet", value_parser = super::args::revision)]
    to_revision: Option<u64>,
    /// Restore the endpoints of that time as well
    #[arg(long, requires = "fleet")]
    exact: bool,
    /// Don't ask: services that did not exist then vanish
    #[arg(long, requires = "fleet")]
    yes: bool,
    #[command(flatten)]
    pushed: args::Pushed,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.pushed.meta());
    if !args.services.is_empty() {
        let (service, services) = args::one_or_several(args.services);
        let request = api::RollbackRequest {
            meta: Some(meta.clone()),
            service,
            services,
        };
        return perform(cx, &meta, async |mut client| {
            client.rollback(request.clone()).await
        })
        .await;
    }
    let mut request = api::RollbackFleetRequest {
        meta: Some(meta.clone()),
        fleet: args.fleet.unwrap_or_default(),
        to_revision: args.to_revision.unwrap_or_default(),
        exact: args.exact,
        yes: args.yes,
    };
    let (report, done) = restore(cx, &meta, &request).await;
    match done {
        Err(error) if error.reason() == Some(SERVICES_WOULD_VANISH) && confirm::can_ask() => {
            confirm::ask(&error.to_string()).await?;
            request.yes = true;
            let (report, done) = restore(cx, &meta, &request).await;
            finish(cx, &meta, report, done)
        }
        done => finish(cx, &meta, report, done),
    }
}

async fn restore(
    cx: &Context,
    meta: &api::CommandMeta,
    request: &api::RollbackFleetRequest,
) -> (Report, Result<(), Error>) {
    carry_out(cx, meta, async |mut client| {
        client.rollback_fleet(request.clone()).await
    })
    .await
}
