//! `describe`: everything about one document on one page.

use super::{
    args::Format,
    client::Context,
    documents,
    error::Error,
    hidden, history,
    kind::Kind,
    out::{self, WARN, paint},
    status,
};
use crate::api;

/// Revisions shown; `history` has the rest.
const REVISIONS: u32 = 5;

/// Show everything about one document: how it stands, its last revisions, what is declared
///
/// With -o json or yaml it is the document, as `get` gives it, with keys and passwords that the page does not show.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen describe service fraud-model
  bluegreen describe envoyresources extra")]
pub struct Args {
    /// What: service, envoyresources or group
    kind: Kind,
    /// Its name
    name: String,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let documents = documents::fetch(cx, Some(args.kind), &args.name, "").await?;
    let Some(document) = documents.first() else {
        return Err(Error::NotFound(format!(
            "there is no {} {}",
            args.kind.word(),
            args.name
        )));
    };
    if cx.out.format_or(Format::Table) != Format::Table {
        cx.out.data(&document.value, String::new)?;
        return Ok(0);
    }
    let mut text = String::new();
    if args.kind == Kind::Service {
        let request = api::GetStatusRequest {
            service: args.name.clone(),
        };
        let answer = cx.connect().await?.get_status(request).await;
        let answer = answer.map_err(|e| cx.failed(&e))?.into_inner();
        text.push_str(&status::text(&status::statuses(answer)));
        let entries = history::of_service(cx, &args.name, REVISIONS).await?;
        text.push_str(&format!("\nHistory:\n{}", history::entries_text(entries)));
    } else {
        text.push_str(&format!(
            "{} {}  (fleet {})\n",
            args.kind.word(),
            document.name,
            document.fleet
        ));
        for path in &document.drift {
            let line = format!("  drift: {path} is not as last applied");
            text.push_str(&format!("{}\n", paint(WARN, line)));
        }
    }
    let mut declared = document.value.clone();
    hidden::hide(&mut declared);
    text.push_str(&format!("\nDeclared:\n{}", out::yaml(&declared)?));
    out::stdout(&text)?;
    Ok(0)
}
