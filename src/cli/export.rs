//! `export`: everything a fleet is declared to be, as documents that `apply` takes.

use super::{args::Format, client::Context, documents, error::Error, out, table::Columns};

/// Print all documents of a fleet as one YAML text that `apply` takes
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen export payments > payments.yaml
  bluegreen export payments | bluegreen apply -f - --server http://other:18001")]
pub struct Args {
    /// The fleet
    fleet: String,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let documents = documents::fetch(cx, None, "", &args.fleet).await?;
    if documents.is_empty() {
        return Err(Error::NotFound(format!(
            "nothing is declared for a fleet {:?}: see `bluegreen fleet` for those that there are",
            args.fleet
        )));
    }
    match cx.out.format_or(Format::Yaml) {
        Format::Yaml => out::stdout(&documents::to_yaml(&documents)?)?,
        Format::Json => out::stdout(&documents::to_json(&documents)?)?,
        Format::Table | Format::Markdown => {
            let mut table = Columns::new(["KIND", "NAME"]);
            for document in documents {
                table.row([document.kind, document.name]);
            }
            out::stdout(&table.text())?;
        }
    }
    Ok(0)
}
