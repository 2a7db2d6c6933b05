//! The runtime layer that every fleet has: the keys that switch mirrors and previews on, for as long as the control
//! plane says so again and again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::service::runtime::v3::Runtime,
    google::protobuf::{Struct, Value, value::Kind},
};
use prost::Message as _;

use super::{draft::Draft, overrides};
use crate::{
    model::TypeUrl,
    snapshot::{Input, References, Resource, wire},
};

/// The name of the layer, as in the `rtds_layer` of the bootstrap.
pub(super) const NAME: &str = "bluegreen";

/// A proxy that hears nothing of its keys for so long drops them: three heartbeats are missed before a mirror or a
/// preview ends with its control plane, and a restart of the server that takes a few seconds ends none.
const TTL: Duration = Duration::from_secs(15);

/// The field number of `Runtime.layer`.
const LAYER: u32 = 2;

/// Keys and their values in percent.
type Keys = BTreeMap<Arc<str>, u32>;

/// Puts the layer if its keys changed. An Envoy whose bootstrap names it waits for it at its start, up to 15 s: so
/// there is one from the first revision on, if need be without anything in it.
pub(super) fn changed(draft: &mut Draft<'_>, before: &Input, after: &Input) {
    let keys_of = keys(after);
    if draft.is_new(TypeUrl::Runtime, NAME) || keys(before) != keys_of {
        draft.put(Arc::new(runtime(&keys_of)));
    }
}

fn keys(input: &Input) -> Keys {
    let services = input.services.iter();
    services
        .flat_map(|(name, service)| overrides::keys(name, service))
        .collect()
}

fn runtime(keys: &Keys) -> Resource {
    let mut layer = Vec::new();
    for (key, percent) in keys {
        // One message per key: a map with several entries would be encoded in another order each time.
        let value = Value {
            kind: Some(Kind::NumberValue(f64::from(*percent))),
        };
        let one = Struct {
            fields: [(key.to_string(), value)].into(),
        };
        layer.extend(one.encode_to_vec());
    }
    let runtime = Runtime {
        name: NAME.to_owned(),
        layer: None,
    };
    let mut bytes = runtime.encode_to_vec();
    wire::put(&mut bytes, LAYER, &layer);
    let resource = Resource::new(TypeUrl::Runtime, NAME, bytes.into(), References::default());
    if keys.is_empty() {
        resource
    } else {
        resource.with_ttl(TTL)
    }
}
