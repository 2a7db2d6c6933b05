//! `get`: declared documents, a line each or as they are.

use super::{
    args::Format,
    client::Context,
    documents::{self, Document},
    error::Error,
    kind::Kind,
    out,
    table::Columns,
};

/// Show what is declared, a line per document; -o yaml gives documents that `apply` takes
///
/// With -o json: one object for KIND NAME, a list without NAME.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen get
  bluegreen get service fraud-model -o yaml > fraud-model.yaml")]
pub struct Args {
    /// What: service, envoyresources or group
    kind: Option<Kind>,
    /// Its name
    name: Option<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let name = args.name.as_deref().unwrap_or_default();
    let documents = documents::fetch(cx, args.kind, name, "").await?;
    match (cx.out.format_or(Format::Table), documents.as_slice()) {
        (Format::Table | Format::Markdown, _) => out::stdout(&text(args.kind, &documents))?,
        (Format::Yaml, _) => out::stdout(&documents::to_yaml(&documents)?)?,
        (Format::Json, [only]) if args.name.is_some() => out::stdout(&out::json(&only.value)?)?,
        (Format::Json, _) => out::stdout(&documents::to_json(&documents)?)?,
    }
    Ok(0)
}

/// A table per kind.
fn text(kind: Option<Kind>, documents: &[Document]) -> String {
    let kinds = Kind::ALL
        .into_iter()
        .filter(|k| kind.is_none_or(|kind| kind == *k));
    let tables: Vec<String> = kinds
        .filter_map(|kind| {
            let of_kind: Vec<_> = documents.iter().filter(|d| d.kind == kind.name()).collect();
            (!of_kind.is_empty()).then(|| match kind {
                Kind::Service => services(&of_kind),
                Kind::EnvoyResources => resources(&of_kind),
                Kind::Group => groups(&of_kind),
            })
        })
        .collect();
    if tables.is_empty() {
        return "nothing is declared\n".to_owned();
    }
    tables.join("\n")
}

fn services(documents: &[&Document]) -> String {
    let mut table = Columns::new(["SERVICE", "FLEET", "LIVE", "BLUE", "GREEN", "DRIFT"]);
    for document in documents {
        let word = |path: &str| {
            let value = document
                .value
                .pointer(path)
                .and_then(|value| value.as_str());
            value.unwrap_or_default().to_owned()
        };
        table.row([
            document.name.clone(),
            document.fleet.clone(),
            word("/spec/live"),
            word("/spec/environments/blue/version"),
            word("/spec/environments/green/version"),
            drift(document),
        ]);
    }
    table.text()
}

fn resources(documents: &[&Document]) -> String {
    let mut table = Columns::new(["ENVOYRESOURCES", "FLEET", "RESOURCES", "DRIFT"]);
    for document in documents {
        let resources = document
            .value
            .pointer("/spec/resources")
            .and_then(|list| list.as_array());
        table.row([
            document.name.clone(),
            document.fleet.clone(),
            resources.map_or(0, Vec::len).to_string(),
            drift(document),
        ]);
    }
    table.text()
}

fn groups(documents: &[&Document]) -> String {
    let mut table = Columns::new(["GROUP", "FLEET", "SERVICES"]);
    for document in documents {
        let services = document.value.pointer("/spec/services");
        let services = services.and_then(|list| list.as_array()).into_iter();
        let names: Vec<&str> = services
            .flatten()
            .filter_map(|name| name.as_str())
            .collect();
        table.row([
            document.name.clone(),
            document.fleet.clone(),
            names.join(" "),
        ]);
    }
    table.text()
}

fn drift(document: &Document) -> String {
    match document.drift.len() {
        0 => String::new(),
        1 => "1 field".to_owned(),
        n => format!("{n} fields"),
    }
}
