//! `watch`: status, again after every change; or one release, until it is where one waits for it.

use super::{
    args::Format,
    client::Context,
    error::{self, Error},
    out::{self, DIM, paint},
    reconnect,
    rollout::{self, Until},
    status,
};
use crate::api;

/// Show the status again after every change, until Ctrl-C
///
/// With -o json every change is one line. A lost connection is made again. It does not end with a release, nor when one is
/// paused: what comes next is shown too. With --until it shows the newest release as `release` does, and returns when that is
/// over, waits for a person, or has come that far.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen watch
  bluegreen watch fraud-model -o json | jq --unbuffered .proxies
  bluegreen watch fraud-model --until completed

Exit codes with --until: 0 as far as was waited for, 10 the gates did not pass, 11 rolled back, 12 aborted, 13 paused.")]
pub struct Args {
    /// The service; all without it
    service: Option<String>,
    /// How far to watch its newest release, instead of until Ctrl-C
    #[arg(long, value_enum, value_name = "PHASE", requires = "service")]
    until: Option<Until>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    if let (Some(service), Some(until)) = (&args.service, args.until) {
        return rollout::watched(cx, service, until).await;
    }
    let request = api::GetStatusRequest {
        service: args.service.clone().unwrap_or_default(),
    };
    let mut client = cx.connect().await?;
    let mut seen = false;
    let mut said = false;
    loop {
        let answer = client.watch_status(request.clone()).await;
        let ended = match answer {
            Ok(answer) => {
                let mut changes = answer.into_inner();
                loop {
                    match changes.message().await {
                        Ok(Some(change)) => {
                            seen = true;
                            said = false;
                            print(cx, args.service.is_some(), change)?;
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        if let Some(status) = ended.filter(|status| !seen || !error::lost(status)) {
            return Err(cx.failed(&status));
        }
        reconnect::say_once(&mut said);
        client = loop {
            tokio::time::sleep(reconnect::PAUSE).await;
            match cx.connect().await {
                Ok(client) => break client,
                Err(Error::Unreachable { .. }) => {}
                Err(error) => return Err(error),
            }
        };
    }
}

fn print(cx: &Context, one: bool, change: api::GetStatusResponse) -> Result<(), Error> {
    let statuses = status::statuses(change);
    let encode = |e: serde_json::Error| Error::Encode {
        format: "JSON",
        message: e.to_string(),
    };
    match (cx.out.format_or(Format::Table), statuses.as_slice()) {
        (Format::Table | Format::Markdown, _) => {
            // A person sees the newest state, a log keeps all of them apart.
            if out::stdout_is_terminal() {
                out::clear_screen()?;
            }
            let now = jiff::Timestamp::now().round(jiff::Unit::Second);
            let at = now.map(|now| paint(DIM, now)).unwrap_or_default();
            out::stdout(&format!("{at}\n{}\n", status::text(&statuses)))
        }
        (Format::Json, [only]) if one => {
            out::stdout(&(serde_json::to_string(only).map_err(encode)? + "\n"))
        }
        (Format::Json, all) => out::stdout(&(serde_json::to_string(all).map_err(encode)? + "\n")),
        (Format::Yaml, [only]) if one => out::stdout(&format!("---\n{}", out::yaml(only)?)),
        (Format::Yaml, all) => out::stdout(&format!("---\n{}", out::yaml(&all)?)),
    }
}
