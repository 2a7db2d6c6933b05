//! A set of the user's own Envoy resources, as far as it can be judged without Envoy's descriptors.

use serde_json::Value;

use super::super::{RESOURCE_WRAPPER, ResourceSet, TypeUrl, path::Path, path::quoted};
use super::{Findings, Invalid};

/// Everything wrong with a resource set: each resource is a mapping with an `@type` that is served, under a name that
/// can be printed.
pub fn validate_resources(set: &ResourceSet) -> Vec<Invalid> {
    let mut findings = Findings::default();
    let resources = Path::from(["spec", "resources"]);
    for (at, resource) in set.resources.iter().enumerate() {
        let path = resources.join(at);
        let Value::Object(fields) = resource else {
            findings.add(path, "expected a mapping with @type and Envoy's fields");
            continue;
        };
        let (path, fields) = match fields.get("@type").and_then(Value::as_str) {
            Some(RESOURCE_WRAPPER) => {
                let path = path.join("resource");
                let Some(Value::Object(inner)) = fields.get("resource") else {
                    findings.add(path, "expected the resource that is to live for `ttl`");
                    continue;
                };
                (path, inner)
            }
            _ => (path, fields),
        };
        for field in ["name", "cluster_name", "clusterName"] {
            // Names are printed to terminals, and a line each.
            let text = fields.get(field).and_then(Value::as_str);
            if text.is_some_and(|text| text.chars().any(char::is_control)) {
                findings.add(path.join(field), "holds control characters: take them out");
            }
        }
        let path = path.join("@type");
        match fields.get("@type") {
            Some(Value::String(url)) if TypeUrl::from_url(url).is_some() => {}
            Some(Value::String(url)) => findings.add(path, unknown_type(url)),
            Some(_) => findings.add(path, "expected the type URL of an Envoy resource"),
            None => findings.add(
                path,
                format!("is missing, write e.g. {}", TypeUrl::Cluster.url()),
            ),
        }
    }
    findings.0
}

fn unknown_type(url: &str) -> String {
    let short = url.rsplit(['.', '/']).next().unwrap_or_default();
    let meant = TypeUrl::ALL
        .into_iter()
        .find(|known| known.short().eq_ignore_ascii_case(short));
    let advice = match meant {
        Some(known) => format!("did you mean {}?", known.url()),
        None => {
            let known: Vec<_> = TypeUrl::ALL.into_iter().map(TypeUrl::short).collect();
            format!("Envoys can be served {}", known.join(", "))
        }
    };
    format!("{} is no resource type, {advice}", quoted(url, 100))
}
