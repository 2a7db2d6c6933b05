//! One encoding for one content: fields in the order of their numbers, maps in the order of their keys, also inside
//! `Any`. (A dynamic message keeps its maps in hash order.)

use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

use super::unpack;
use crate::snapshot::wire::put;

/// Encodes a message. Equal messages give equal bytes.
pub(in crate::snapshot) fn encode(message: &DynamicMessage) -> Vec<u8> {
    let mut out = Vec::new();
    let inner = unpack(message);
    for (field, value) in message.fields() {
        match (value, &inner) {
            (Value::Bytes(_), Some(inner)) => put(&mut out, field.number(), &encode(inner)),
            (Value::Message(message), _) => put(&mut out, field.number(), &encode(message)),
            (Value::List(items), _) if matches!(field.kind(), Kind::Message(_)) => {
                for item in items.iter().filter_map(Value::as_message) {
                    put(&mut out, field.number(), &encode(item));
                }
            }
            (Value::Map(entries), _) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                for (key, value) in entries {
                    put(&mut out, field.number(), &encode_entry(&field, key, value));
                }
            }
            (value, _) => encode_plain(message, &field, value, &mut out),
        }
    }
    out
}

/// Puts another message of the same type inside.
pub(super) fn repack(any: &mut DynamicMessage, inner: &DynamicMessage) {
    let bytes = encode(inner).into();
    any.set_field_by_name("value", Value::Bytes(bytes));
}

/// A map's entry is a message of key and value.
fn encode_entry(field: &FieldDescriptor, key: &MapKey, value: &Value) -> Vec<u8> {
    let Kind::Message(entry) = field.kind() else {
        return Vec::new();
    };
    let mut message = DynamicMessage::new(entry.clone());
    message.set_field(&entry.map_entry_key_field(), key.clone().into());
    message.set_field(&entry.map_entry_value_field(), value.clone());
    encode(&message)
}

/// Numbers, strings and lists of them, as the library encodes a message that has nothing else.
fn encode_plain(
    message: &DynamicMessage,
    field: &FieldDescriptor,
    value: &Value,
    out: &mut Vec<u8>,
) {
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, value.clone());
    out.extend(alone.encode_to_vec());
}

#[cfg(test)]
mod tests {
    use prost_reflect::DynamicMessage;
    use serde_json::{Value, json};

    use super::*;
    use crate::{model::TypeUrl, snapshot::dynamic::descriptor};

    fn message(type_url: TypeUrl, value: Value) -> DynamicMessage {
        DynamicMessage::deserialize(descriptor(type_url).unwrap(), value).unwrap()
    }

    #[test]
    fn maps_are_in_the_order_of_their_keys_also_inside_any() {
        let any = json!({
            "@type": "type.googleapis.com/google.protobuf.Struct",
            "value": { "z": 1, "y": { "b": true, "a": null }, "x": [1, "2"] },
        });
        let route = json!({
            "name": "r",
            "typedPerFilterConfig": { "c": any, "a": any, "b": any, "e": any, "d": any },
        });
        let encoded = |value| encode(&message(TypeUrl::RouteConfiguration, value));
        let first = encoded(route.clone());
        // Each decoding has hash maps of its own, in an order of their own.
        for _ in 0..20 {
            assert_eq!(encoded(route.clone()), first);
        }
        let again = DynamicMessage::decode(
            descriptor(TypeUrl::RouteConfiguration).unwrap(),
            first.as_slice(),
        );
        assert_eq!(encode(&again.unwrap()), first);
        let at = |key: &str| {
            let key = [&[10, 1], key.as_bytes()].concat();
            first.windows(3).position(|window| window == key)
        };
        assert!(at("a") < at("b") && at("b") < at("c") && at("d") < at("e"));
    }

    #[test]
    fn content_survives() {
        let cluster = message(
            TypeUrl::Cluster,
            json!({
                "name": "c", "type": "STRICT_DNS", "connectTimeout": "0.250s", "respectDnsTtl": true,
                "healthChecks": [{ "timeout": "1s", "interval": "2s", "unhealthyThreshold": 3,
                    "httpHealthCheck": { "path": "/x", "expectedStatuses": [{ "start": "200", "end": "204" }] } }],
                "loadAssignment": { "clusterName": "c", "endpoints": [{ "priority": 1 }] },
            }),
        );
        let decoded = DynamicMessage::decode(cluster.descriptor(), encode(&cluster).as_slice());
        assert_eq!(decoded.unwrap(), cluster);
    }
}
