//! One resource, from JSON to bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use prost_reflect::DynamicMessage;
use serde::de::value::MapDeserializer;
use serde_json::Value;

use super::{
    error::{Place, RawError, RawProblem, quoted, similar},
    identity::inner,
    json::deserialize,
    known,
    locate::locate,
    preview, split, wrapper,
};
use crate::{
    model::{Name, Path, TypeUrl},
    snapshot::{Resource, ServiceInput, dynamic, referring::references_in},
};

/// Encodes one resource, and says what its author should know.
pub(super) fn resource(
    place: &Place<'_>,
    services: &BTreeMap<Name, Arc<ServiceInput>>,
    dialled: &BTreeSet<&str>,
) -> Result<(Arc<Resource>, Vec<String>), Box<RawError>> {
    let ttl = wrapper::ttl(place)?;
    let Value::Object(fields) = inner(place.value) else {
        return Err(place.error(RawProblem::NoMapping));
    };
    let url = fields.get("@type").and_then(Value::as_str);
    let url = url.ok_or_else(|| place.error(RawProblem::NoType))?;
    let descriptor = TypeUrl::from_url(url).and_then(|type_url| {
        let descriptor = dynamic::descriptor(type_url)?;
        Some((type_url, descriptor))
    });
    let (type_url, descriptor) = descriptor.ok_or_else(|| place.error(unknown_type(url)))?;

    let others = fields.iter().filter(|(field, _)| *field != "@type");
    let body = others.clone().map(|(field, value)| (field.as_str(), value));
    let body = MapDeserializer::<_, serde_json::Error>::new(body);
    let mut message = deserialize(&descriptor, body).map_err(|whole| {
        let body = others.map(|(field, value)| (field.clone(), value.clone()));
        let (path, problem) = locate(&descriptor, &Value::Object(body.collect()), &whole);
        place.error_at(path, problem)
    })?;

    let name = name(&message);
    if name.is_empty() {
        return Err(place.error(RawProblem::NoName));
    }
    let mut warnings = Vec::new();
    dynamic::walk(&mut message, &Path::default(), &mut |inner, path| {
        split::expand(inner, type_url, services).map_err(|problem| {
            let path = path.join(problem.field);
            place.error_at(path, problem.problem)
        })?;
        if let Some(warning) = split::warning(inner) {
            warnings.push(format!(
                "EnvoyResources {}, {} {name} at {path}: {warning}",
                place.set,
                type_url.short()
            ));
        }
        Ok::<(), Box<RawError>>(())
    })?;
    preview::insert(&mut message, type_url, inner(place.value), services);
    if type_url == TypeUrl::RouteConfiguration && dialled.contains(name.as_str()) {
        known::insert(&mut message, inner(place.value), services);
    }
    let bytes = dynamic::encode(&message).into();
    let references = references_in(&mut message);
    let mut resource = Resource::new(type_url, &name, bytes, references);
    match ttl {
        Some(ttl) if type_url.ends_by_ttl() => resource = resource.with_ttl(ttl),
        Some(_) => warnings.push(format!(
            "EnvoyResources {}, {} {name}: its ttl is left out: Envoy ends nothing of this type by it, and crashes if it speaks state of the world",
            place.set,
            type_url.short()
        )),
        None => {}
    }
    Ok((Arc::new(resource), warnings))
}

fn name(message: &DynamicMessage) -> String {
    let own = dynamic::text(message, "name");
    if own.is_empty() {
        dynamic::text(message, "cluster_name")
    } else {
        own
    }
}

fn unknown_type(found: &str) -> RawProblem {
    let served: Vec<&str> = TypeUrl::ALL.iter().map(|known| known.short()).collect();
    let short = found.rsplit(['.', '/']).next().unwrap_or_default();
    let suggestion = similar(short, served.iter().copied())
        .and_then(|short| {
            TypeUrl::ALL
                .into_iter()
                .find(|known| known.short() == short)
        })
        .map(|meant| meant.url().to_owned());
    RawProblem::UnknownType {
        found: quoted(found),
        suggestion,
        served: served.join(", "),
    }
}
