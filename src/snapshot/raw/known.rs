//! Routes of gRPC clients that name a service are followed by those from which a client knows both environments, as generated
//! ones are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _, Value as Field};
use serde_json::Value;

use super::{
    identity::{SERVICE, inner, type_of},
    preview::{field, list},
};
use crate::{
    model::{Name, ResourceSet, TypeUrl},
    snapshot::{ServiceInput, build},
};

/// The names of the route configurations that listeners of gRPC clients refer to, in all sets.
pub(in crate::snapshot) fn dialled(sets: &BTreeMap<Name, Arc<ResourceSet>>) -> BTreeSet<&str> {
    let resources = sets.values().flat_map(|set| &set.resources);
    let listeners = resources.filter(|value| type_of(value) == Some(TypeUrl::Listener));
    listeners
        .filter_map(|listener| {
            let listener = field(inner(listener), &["api_listener", "apiListener"])?;
            let manager = field(listener, &["api_listener", "apiListener"])?;
            let routes = manager.get("rds")?;
            field(routes, &["route_config_name", "routeConfigName"])?.as_str()
        })
        .collect()
}

/// Puts the routes in. `message` is a route configuration that was read from `written`, item by item.
pub(super) fn insert(
    message: &mut DynamicMessage,
    written: &Value,
    services: &BTreeMap<Name, Arc<ServiceInput>>,
) {
    let hosts = field(written, &["virtual_hosts", "virtualHosts"]);
    let Some(Field::List(items)) = message.get_field_by_name_mut("virtual_hosts") else {
        return;
    };
    for (host, written) in items.iter_mut().zip(list(hosts)) {
        let Field::Message(host) = host else {
            continue;
        };
        let routes = list(field(written, &["routes"])).iter();
        let named: BTreeSet<&Name> = routes
            .filter_map(|route| {
                let cluster = route.get("route")?.get("cluster")?.as_str()?;
                let (service, _) = services.get_key_value(cluster.strip_prefix(SERVICE)?)?;
                Some(service)
            })
            .collect();
        let of_host = host.descriptor().get_field_by_name("routes");
        let Some(Kind::Message(descriptor)) = of_host.map(|field| field.kind()) else {
            continue;
        };
        let known = named.into_iter().flat_map(build::known);
        let known = known.filter_map(|route| {
            let bytes = route.encode_to_vec();
            DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).ok()
        });
        if let Some(Field::List(routes)) = host.get_field_by_name_mut("routes") {
            routes.extend(known.map(Field::Message));
        }
    }
}
