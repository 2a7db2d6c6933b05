//! `preview`: requests with a header to the staged environment, for a while.

use super::{args, client::Context, error::Error, perform::perform};
use crate::{api, model::HumanDuration};

/// Send requests with a certain header to the staged environment, for a while
///
/// All other requests go where they went. It ends at its time by itself, also when the server is down by then.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen preview fraud-model
  bluegreen preview fraud-model --header x-bluegreen-preview=green --for 1h
  bluegreen preview fraud-model --stop")]
pub struct Args {
    /// The service
    service: String,
    /// The header that asks for it; without it x-bluegreen-preview with the colour of the staged environment
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    header: Option<(String, String)>,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    duration: HumanDuration,
    /// End it now
    #[arg(long, conflicts_with_all = ["header", "duration"])]
    stop: bool,
    #[command(flatten)]
    pushed: args::Pushed,
}

/// `NAME=VALUE`.
fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write NAME=VALUE, e.g. x-bluegreen-preview=green".to_owned()),
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let meta = cx.identify(args.pushed.meta());
    let (header, value) = args.header.unwrap_or_default();
    let request = api::PreviewRequest {
        meta: Some(meta.clone()),
        service: args.service,
        header,
        value,
        duration_ms: args::millis(args.duration),
        stop: args.stop,
    };
    perform(cx, &meta, async |mut client| {
        client.preview(request.clone()).await
    })
    .await
}
