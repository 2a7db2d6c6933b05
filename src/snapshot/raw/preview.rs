//! Routes that name a service get the route of its preview above them, as generated ones do.

use std::{collections::BTreeMap, sync::Arc};

use envoy_types::pb::envoy::config::route::v3::Route;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value as Field};
use serde_json::Value;

use super::identity::SERVICE;
use crate::{
    model::{Name, TypeUrl},
    snapshot::{ServiceInput, build},
};

/// Puts the previews in. `message` was read from `written`, item by item, and its splits are put in already.
pub(super) fn insert(
    message: &mut DynamicMessage,
    type_url: TypeUrl,
    written: &Value,
    services: &BTreeMap<Name, Arc<ServiceInput>>,
) {
    if services.values().all(|service| service.preview.is_none()) {
        return;
    }
    match type_url {
        TypeUrl::RouteConfiguration => {
            let hosts = field(written, &["virtual_hosts", "virtualHosts"]);
            let Some(Field::List(items)) = message.get_field_by_name_mut("virtual_hosts") else {
                return;
            };
            for (host, written) in items.iter_mut().zip(list(hosts)) {
                if let Field::Message(host) = host {
                    into_host(host, written, services);
                }
            }
        }
        TypeUrl::VirtualHost => into_host(message, written, services),
        _ => {}
    }
}

fn into_host(
    host: &mut DynamicMessage,
    written: &Value,
    services: &BTreeMap<Name, Arc<ServiceInput>>,
) {
    let Some(Field::List(routes)) = host.get_field_by_name_mut("routes") else {
        return;
    };
    let written = list(field(written, &["routes"]));
    let with_previews = std::mem::take(routes)
        .into_iter()
        .zip(written)
        .flat_map(|(route, written)| [preview(&route, written, services), Some(route)]);
    *routes = with_previews.flatten().collect();
}

fn preview(
    route: &Field,
    written: &Value,
    services: &BTreeMap<Name, Arc<ServiceInput>>,
) -> Option<Field> {
    let named = written.get("route")?.get("cluster")?.as_str()?;
    let (service, input) = services.get_key_value(named.strip_prefix(SERVICE)?)?;
    let route = route.as_message()?;
    let plain = Route::decode(route.encode_to_vec().as_slice()).ok()?;
    let preview = build::preview(service, input, &plain)?.encode_to_vec();
    let preview = DynamicMessage::decode(route.descriptor(), preview.as_slice()).ok()?;
    Some(Field::Message(preview))
}

pub(super) fn field<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| value.get(name))
}

pub(super) fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
