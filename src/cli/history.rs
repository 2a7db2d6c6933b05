//! `history`: who did what, when and why.

use std::fmt::Write;

use serde::Serialize;

use super::{
    client::Context,
    error::Error,
    out::{DIM, WARN, paint, set_in},
    table::Columns,
};
use crate::api;

/// Show the revisions of a fleet or of a service: who, when (UTC), what and why
///
/// A name that is both a fleet and a service means the fleet; --service asks for the service.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen history payments
  bluegreen history fraud-model --limit 10 -o json")]
pub struct Args {
    /// The fleet or the service
    #[arg(value_name = "FLEET|SERVICE")]
    name: String,
    /// NAME is a service, also where a fleet has the same name
    #[arg(long)]
    service: bool,
    /// So many revisions, the newest first
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    limit: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    fleet: String,
    revision: u64,
    at: String,
    actor: String,
    actor_verified: bool,
    command: String,
    what: String,
    why: String,
    services: Vec<String>,
    waived: Vec<String>,
    notes: Vec<String>,
    added: u32,
    changed: u32,
    removed: u32,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let entries = fetch(cx, &args.name, args.service, args.limit).await?;
    let entries: Vec<Entry> = entries.into_iter().map(entry).collect();
    cx.out.data(&entries, || text(&entries))?;
    Ok(0)
}

/// Asks for a fleet of that name, and if there is none, for a service.
async fn fetch(
    cx: &Context,
    name: &str,
    service: bool,
    limit: u32,
) -> Result<Vec<api::HistoryEntry>, Error> {
    let mut client = cx.connect().await?;
    let mut waiting = None;
    if !service {
        let request = api::GetHistoryRequest {
            fleet: name.to_owned(),
            service: String::new(),
            limit,
        };
        match client.get_history(request).await {
            Ok(answer) if !answer.get_ref().entries.is_empty() => {
                return Ok(answer.into_inner().entries);
            }
            Ok(_) => {}
            Err(status) if status.code() == tonic::Code::NotFound => {}
            // Only proxies have named that fleet. They may have named a service, by mistake.
            Err(status) if status.code() == tonic::Code::FailedPrecondition => {
                waiting = Some(cx.failed(&status));
            }
            Err(status) => return Err(cx.failed(&status)),
        }
    }
    let entries = of_service(cx, name, limit).await;
    match entries {
        Err(error) if error.is_not_found() && !service => Err(waiting.unwrap_or_else(|| {
            Error::NotFound(format!(
                "{name:?} is neither a fleet nor a service: see `bluegreen get` and `bluegreen fleet` for what there is"
            ))
        })),
        entries => entries,
    }
}

/// The revisions that changed a service.
pub(super) async fn of_service(
    cx: &Context,
    name: &str,
    limit: u32,
) -> Result<Vec<api::HistoryEntry>, Error> {
    let request = api::GetHistoryRequest {
        fleet: String::new(),
        service: name.to_owned(),
        limit,
    };
    let answer = cx.connect().await?.get_history(request).await;
    Ok(answer.map_err(|e| cx.failed(&e))?.into_inner().entries)
}

fn entry(entry: api::HistoryEntry) -> Entry {
    Entry {
        fleet: entry.fleet,
        revision: entry.revision,
        at: entry.at,
        actor: entry.actor,
        actor_verified: entry.actor_verified,
        command: entry.command,
        what: entry.what,
        why: entry.why,
        services: entry.services,
        waived: entry.waived,
        notes: entry.notes,
        added: entry.added,
        changed: entry.changed,
        removed: entry.removed,
    }
}

/// The server's entries for people.
pub(super) fn entries_text(entries: Vec<api::HistoryEntry>) -> String {
    text(&entries.into_iter().map(entry).collect::<Vec<_>>())
}

/// A revision a line, and below it what was waived and what became known later.
fn text(entries: &[Entry]) -> String {
    let mut table = Columns::new(["REVISION", "AT", "WHO", "COMMAND", "CHANGES", "WHAT", "WHY"]);
    for entry in entries {
        let who = match entry.actor_verified {
            true => entry.actor.clone(),
            false => format!("{} (unverified)", entry.actor),
        };
        table.row([
            entry.revision.to_string(),
            entry.at.clone(),
            who,
            entry.command.clone(),
            format!("+{} ~{} -{}", entry.added, entry.changed, entry.removed),
            entry.what.clone(),
            entry.why.clone(),
        ]);
    }
    let mut lines = table.lines().into_iter();
    let mut text: String = lines.next().unwrap_or_default() + "\n";
    for (entry, line) in entries.iter().zip(lines) {
        let _ = writeln!(text, "{line}"); // a String takes everything
        for waived in &entry.waived {
            let _ = writeln!(text, "{}", paint(WARN, format_args!("  waived {waived}")));
        }
        for note in &entry.notes {
            let _ = writeln!(text, "{}", paint(DIM, format_args!("  {}", set_in(note))));
        }
    }
    text
}
