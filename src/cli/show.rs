//! `show`: every resource of a fleet, as its proxies have it.

use serde_json::Value;

use super::{args::Format, client::Context, error::Error, out, table::Columns};
use crate::api;

/// Show all xDS resources of a fleet at one revision, as YAML
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen show payments
  bluegreen show payments 42 -o json | jq '.[] | select(.type == \"Cluster\") | .name'
  bluegreen show payments -o table")]
pub struct Args {
    /// The fleet
    fleet: String,
    /// At this revision; the newest without it
    #[arg(value_name = "R", allow_negative_numbers = true, value_parser = super::args::revision)]
    revision: Option<u64>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let request = api::GetSnapshotRequest {
        fleet: args.fleet,
        revision: args.revision.unwrap_or_default(),
    };
    let mut client = cx.connect().await?;
    let snapshot = client
        .get_snapshot(request)
        .await
        .map_err(|e| cx.failed(&e))?
        .into_inner();
    match cx.out.format_or(Format::Yaml) {
        Format::Yaml => out::stdout(&documents(&snapshot)?)?,
        Format::Json => out::stdout(&out::json(&list(&snapshot)?)?)?,
        Format::Table | Format::Markdown => out::stdout(&table(&snapshot))?,
    }
    Ok(0)
}

fn parse(resource: &api::SnapshotResource) -> Result<Value, Error> {
    serde_json::from_str(&resource.json).map_err(|e| Error::Answer {
        what: format!("{} {}", resource.r#type, resource.name),
        message: e.to_string(),
    })
}

/// A document per resource, with what is not part of it as a comment.
fn documents(snapshot: &api::GetSnapshotResponse) -> Result<String, Error> {
    let mut text = format!(
        "# fleet {}, revision {}\n",
        snapshot.fleet, snapshot.revision
    );
    for resource in &snapshot.resources {
        let yaml = out::yaml(&parse(resource)?)?;
        text.push_str(&format!(
            "---\n# {} {}, version {}\n{yaml}",
            resource.r#type, resource.name, resource.version
        ));
    }
    Ok(text)
}

fn list(snapshot: &api::GetSnapshotResponse) -> Result<Vec<Value>, Error> {
    snapshot
        .resources
        .iter()
        .map(|resource| {
            Ok(serde_json::json!({
                "type": resource.r#type,
                "typeUrl": resource.type_url,
                "name": resource.name,
                "version": resource.version,
                "resource": parse(resource)?,
            }))
        })
        .collect()
}

fn table(snapshot: &api::GetSnapshotResponse) -> String {
    let mut table = Columns::new(["TYPE", "NAME", "VERSION"]);
    for resource in &snapshot.resources {
        table.row([
            resource.r#type.clone(),
            resource.name.clone(),
            resource.version.clone(),
        ]);
    }
    table.text()
}
