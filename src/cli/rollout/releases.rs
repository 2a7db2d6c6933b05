//! `releases`: what became of earlier releases, and the whole record of one.

use serde::Serialize;

use super::{
    text::{status_lines, step_line},
    view::ReleaseView,
};
use crate::{
    api,
    cli::{
        args::Format,
        client::Context,
        error::Error,
        out::{self, WARN, paint},
        table::Columns,
    },
};

/// Show the releases of a service, or the whole record of one
///
/// The record of one release has who, when and why, every gate with its measurements, every push with the times at which
/// proxies accepted it, and rollbacks. `-o markdown` is what one pastes into a change ticket.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen releases fraud-model
  bluegreen releases fraud-model 7
  bluegreen releases fraud-model 7 -o markdown
  bluegreen releases fraud-model 7 -o json | jq .analyses")]
pub struct Args {
    /// The service
    service: String,
    /// The release's number; all without it
    #[arg(value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    number: Option<u64>,
    /// So many releases, the newest first
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50,
        conflicts_with = "number"
    )]
    limit: u32,
}

/// A release in the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    service: String,
    fleet: String,
    #[serde(flatten)]
    release: ReleaseView,
    begun: String,
    by: String,
    why: String,
    waived: Vec<String>,
}

pub(in crate::cli) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let request = api::GetReleasesRequest {
        service: args.service.clone(),
        number: args.number.unwrap_or_default(),
        limit: args.limit,
    };
    let answer = cx.connect().await?.get_releases(request).await;
    let releases = answer.map_err(|e| cx.failed(&e))?.into_inner().releases;
    match (args.number, cx.out.format_or(Format::Table)) {
        (Some(number), format) => {
            let one = releases.into_iter().next().ok_or_else(|| {
                Error::NotFound(format!("{} has no release {number}", args.service))
            })?;
            record(cx, one, format)?;
        }
        (None, Format::Markdown) => {
            return Err(Error::Usage(format!(
                "-o markdown is for one release: `bluegreen releases {} N -o markdown`",
                args.service
            )));
        }
        (None, _) => {
            let all: Vec<Summary> = releases.into_iter().map(summary).collect();
            cx.out.data(&all, || list(&args.service, &all))?;
        }
    }
    Ok(0)
}

fn summary(release: api::ReleaseSummary) -> Summary {
    Summary {
        service: release.service,
        fleet: release.fleet,
        release: ReleaseView::from(release.status.unwrap_or_default()),
        begun: release.begun,
        by: release.by,
        why: release.why,
        waived: release.waived,
    }
}

/// The whole record: as the server has it for programs and tickets, summed up for a terminal.
fn record(cx: &Context, release: api::ReleaseSummary, format: Format) -> Result<(), Error> {
    match format {
        Format::Markdown => out::stdout(&release.markdown),
        Format::Json | Format::Yaml => {
            let record: serde_json::Value =
                serde_json::from_str(&release.json).map_err(|error| Error::Answer {
                    what: "the record".to_owned(),
                    message: error.to_string(),
                })?;
            cx.out.data(&record, String::new)
        }
        Format::Table => out::stdout(&record_text(&summary(release))),
    }
}

fn record_text(one: &Summary) -> String {
    let why = match one.why.as_str() {
        "" => String::new(),
        why => format!(": {}", out::set_in(why)),
    };
    let mut text = format!(
        "{} (fleet {}), begun {} by {}{why}\n{}",
        one.service,
        one.fleet,
        one.begun,
        one.by,
        status_lines(&one.release)
    );
    for waived in &one.waived {
        text.push_str(&format!(
            "  {}\n",
            paint(WARN, format_args!("waived {waived}"))
        ));
    }
    for step in &one.release.log {
        text.push_str(&format!("  {}\n", step_line(step)));
    }
    text
}

fn list(service: &str, all: &[Summary]) -> String {
    if all.is_empty() {
        return format!(
            "{service} has had no release; `bluegreen release {service} --version VERSION --endpoint HOST:PORT` begins one\n"
        );
    }
    let mut table = Columns::new(["RELEASE", "BEGUN", "BY", "FROM", "TO", "PHASE", "REASON"]);
    for one in all {
        table.row([
            one.release.number.to_string(),
            one.begun.clone(),
            one.by.clone(),
            one.release.from_version.clone(),
            one.release.to_version.clone(),
            one.release.phase.clone(),
            one.release.reason.clone(),
        ]);
    }
    table.text()
}
