//! A resource with a time to live: it stands in a wrapper that says how long.

use std::time::Duration;

use serde_json::Value;

use super::{
    error::{Place, RawError, RawProblem},
    identity::{is_wrapper, name_of},
    json::deserialize,
    locate::locate,
};
use crate::{
    model::{Path, RESOURCE_WRAPPER},
    snapshot::dynamic,
};

/// The shortest time to live: it is said again three times in it, to every proxy.
const SHORTEST: Duration = Duration::from_secs(1);

/// How long the resource lives; None where it is not wrapped.
pub(super) fn ttl(place: &Place<'_>) -> Result<Option<Duration>, Box<RawError>> {
    let (true, Some(fields)) = (is_wrapper(place.value), place.value.as_object()) else {
        return Ok(None);
    };
    let Some(descriptor) = dynamic::message_type(RESOURCE_WRAPPER) else {
        return Err(place.error(RawProblem::UnknownMessage(RESOURCE_WRAPPER.to_owned())));
    };
    let mut body = fields.clone();
    body.remove("@type");
    let inside = body.remove("resource");
    let body = Value::Object(body);
    let wrapper = deserialize(&descriptor, &body).map_err(|whole| {
        let (path, problem) = locate(&descriptor, &body, &whole);
        place.error_at(path, problem)
    })?;
    let at = |field: &str| Path::default().join(field);
    let wrong =
        |field: &str, why: &str| Err(place.error_at(at(field), RawProblem::Value(why.to_owned())));
    let name = dynamic::text(&wrapper, "name");
    if !name.is_empty() && Some(&*name) != name_of(place.value) {
        return wrong(
            "name",
            "is another than that of the resource inside: write it once, there",
        );
    }
    if inside.is_none() {
        return wrong(
            "resource",
            "is missing: write the resource here, with its @type",
        );
    }
    match dynamic::child(&wrapper, "ttl").map(|ttl| dynamic::duration(&ttl)) {
        Some(ttl) if ttl >= SHORTEST => Ok(Some(ttl)),
        Some(_) => wrong("ttl", "is too short: write at least 1s"),
        None => wrong(
            "ttl",
            "is missing: write e.g. 15s, or the resource without its wrapper",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::{
        model::{Name, TypeUrl},
        snapshot::raw::encode,
    };

    fn encoded(resource: Value) -> Result<super::super::Encoded, String> {
        let set = crate::model::ResourceSet {
            fleet: Name::parse("payments").unwrap(),
            resources: vec![resource],
        };
        let name = Name::parse("extra").unwrap();
        encode(&name, &set, &Default::default(), &BTreeSet::new(), |_| true)
            .map_err(|error| error.to_string())
    }

    fn wrapped(ttl: Value, name: &str) -> Value {
        let layer = json!({ "@type": TypeUrl::Runtime.url(), "name": "l", "layer": { "k": 1 } });
        json!({ "@type": RESOURCE_WRAPPER, "name": name, "ttl": ttl, "resource": layer })
    }

    #[test]
    fn line_30_a_wrapped_resource_lives_for_its_ttl() {
        for name in ["", "l"] {
            let found = encoded(wrapped(json!("1.5s"), name)).unwrap().resources;
            assert_eq!(found[0].type_url, TypeUrl::Runtime);
            assert_eq!(
                (&*found[0].name, found[0].ttl),
                ("l", Some(Duration::from_millis(1500)))
            );
        }
        let plain = wrapped(json!("1s"), "")["resource"].clone();
        assert_eq!(encoded(plain).unwrap().resources[0].ttl, None);
    }

    #[test]
    fn line_30_what_no_envoy_ends_lives_on_and_that_is_said() {
        for (type_url, name) in [
            (TypeUrl::Secret, "name"),
            (TypeUrl::RouteConfiguration, "name"),
            (TypeUrl::ClusterLoadAssignment, "cluster_name"),
        ] {
            let resource = json!({ "@type": type_url.url(), name: "it" });
            let wrapped = json!({ "@type": RESOURCE_WRAPPER, "ttl": "15s", "resource": resource });
            let found = encoded(wrapped).unwrap();
            assert_eq!(found.resources[0].ttl, None, "{type_url:?}");
            let told = format!("{:?}", found.warnings);
            assert!(told.contains("its ttl is left out"), "{told}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_wrapper_is_said() {
        let says = |value: Value, what: &str| {
            let said = encoded(value).unwrap_err();
            assert!(said.contains(what), "{said}");
        };
        says(wrapped(json!("0.1s"), ""), "at ttl: is too short");
        says(wrapped(json!(null), ""), "at ttl: is missing");
        says(wrapped(json!("soon"), ""), "at ttl");
        says(wrapped(json!("15s"), "other"), "at name: is another");
        let mut unknown = wrapped(json!("15s"), "");
        unknown["tll"] = json!("15s");
        says(unknown, "at tll: unknown field");
    }
}
