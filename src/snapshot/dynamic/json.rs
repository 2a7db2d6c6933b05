//! Messages as proto3 JSON, for people: fields by their names in Envoy's documentation, maps in the order of their
//! keys, keys and passwords not shown.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, SerializeOptions,
    Value as ProtoValue,
};
use serde_json::{Map, Value, json};

use super::{any, text};

/// Messages whose data must not be shown. Everything that can see a snapshot would otherwise see private keys.
const SECRETS: [&str; 3] = [
    "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
    "envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys",
    "envoy.extensions.transport_sockets.tls.v3.GenericSecret",
];

/// Fields that must not be shown, whatever is in them: those that the API marks as sensitive, of other messages.
const SECRET_FIELDS: [(&str, &str); 26] = [
    (
        "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials",
        "access_token",
    ),
    (
        "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.ServiceAccountJWTAccessCredentials",
        "json_key",
    ),
    (
        "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.GoogleIAMCredentials",
        "authorization_token",
    ),
    (
        "envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials",
        "private_key",
    ),
    (
        "envoy.config.grpc_credential.v3.FileBasedMetadataConfig",
        "secret_data",
    ),
    ("envoy.config.trace.v3.ClientConfig", "backend_token"),
    (
        "envoy.extensions.common.aws.v3.AssumeRoleWithWebIdentityCredentialProvider",
        "web_identity_token_data_source",
    ),
    (
        "envoy.extensions.common.aws.v3.CredentialsFileCredentialProvider",
        "credentials_data_source",
    ),
    (
        "envoy.extensions.common.aws.v3.IAMRolesAnywhereCredentialProvider",
        "private_key",
    ),
    (
        "envoy.extensions.common.aws.v3.InlineCredentialProvider",
        "secret_access_key",
    ),
    (
        "envoy.extensions.common.aws.v3.InlineCredentialProvider",
        "session_token",
    ),
    (
        "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
        "credentials",
    ),
    (
        "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",
        "credentials",
    ),
    (
        "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
        "users",
    ),
    (
        "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute",
        "users",
    ),
    (
        "envoy.extensions.filters.http.ext_authz.v3.CheckSettings",
        "context_extensions",
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions",
        "auth_password",
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions",
        "auth_username",
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions.Credential",
        "auth_password",
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions.Credential",
        "auth_username",
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "downstream_auth_password",
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "downstream_auth_passwords",
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "downstream_auth_username",
    ),
    (
        "envoy.extensions.grpc_service.call_credentials.access_token.v3.AccessTokenCredentials",
        "token",
    ),
    (
        "envoy.extensions.grpc_service.call_credentials.file_based_metadata.v3.FileBasedMetadataCallCredentials",
        "secret_data",
    ),
    (
        "envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider",
        "typed_config",
    ),
];

/// Where secret data comes from is no secret.
const PLACES: [(&str, &str); 3] = [
    ("envoy.config.core.v3.DataSource", "filename"),
    ("envoy.config.core.v3.DataSource", "environment_variable"),
    ("envoy.config.core.v3.WatchedDirectory", "path"),
];

/// What stands in the place of data that is not shown, as in Envoy's own dumps.
const REDACTED: &str = "[redacted]";

/// The JSON form of a message.
pub(in crate::snapshot) fn to_json(message: &DynamicMessage) -> Value {
    shown(message, false)
}

fn shown(message: &DynamicMessage, secret: bool) -> Value {
    let descriptor = message.descriptor();
    let name = descriptor.full_name();
    if any::is_any(message) {
        return shown_any(message, secret);
    }
    if name.starts_with("google.protobuf.") {
        if secret {
            return REDACTED.into();
        }
        return sorted(serde_json::to_value(message).unwrap_or_default());
    }
    let secret = secret || SECRETS.contains(&name);
    let fields = message.fields().map(|(field, value)| {
        let this = (name, field.name());
        let secret = secret && !PLACES.contains(&this) || SECRET_FIELDS.contains(&this);
        let value = shown_field(message, &field, value, secret);
        (field.name().to_owned(), value)
    });
    Value::Object(fields.collect())
}

/// The content beside its type; of a type that is not known, its length.
fn shown_any(message: &DynamicMessage, secret: bool) -> Value {
    let url = text(message, "type_url");
    let Some(inner) = any::unpack(message) else {
        let bytes = message.get_field_by_name("value");
        let length = bytes.and_then(|bytes| bytes.as_bytes().map(|bytes| bytes.len()));
        return json!({ "@type": url, "value": format!("{} bytes", length.unwrap_or(0)) });
    };
    let mut all = Map::new();
    all.insert("@type".to_owned(), url.into());
    match shown(&inner, secret) {
        Value::Object(fields)
            if !inner
                .descriptor()
                .full_name()
                .starts_with("google.protobuf.") =>
        {
            all.extend(fields);
        }
        value => drop(all.insert("value".to_owned(), value)),
    }
    Value::Object(all)
}

fn shown_field(
    message: &DynamicMessage,
    field: &FieldDescriptor,
    value: &ProtoValue,
    secret: bool,
) -> Value {
    match value {
        ProtoValue::Message(inner) => shown(inner, secret),
        ProtoValue::List(items) if matches!(field.kind(), Kind::Message(_)) => items
            .iter()
            .filter_map(ProtoValue::as_message)
            .map(|inner| shown(inner, secret))
            .collect(),
        ProtoValue::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| {
                let value = match value {
                    ProtoValue::Message(inner) => shown(inner, secret),
                    _ if secret => REDACTED.into(),
                    _ => plain_entry(message, field, key, value),
                };
                (key_text(key), value)
            });
            Value::Object(entries.collect())
        }
        _ if secret && matches!(field.kind(), Kind::String | Kind::Bytes) => REDACTED.into(),
        plain => plain_field(message, field, plain.clone()),
    }
}

/// Numbers, strings and lists of them, as the library writes a message that has nothing else.
fn plain_field(message: &DynamicMessage, field: &FieldDescriptor, value: ProtoValue) -> Value {
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, value);
    let options = SerializeOptions::new().use_proto_field_name(true);
    let written = alone.serialize_with_options(serde_json::value::Serializer, &options);
    match written {
        Ok(Value::Object(mut fields)) => fields.remove(field.name()).unwrap_or_default(),
        _ => Value::Null,
    }
}

fn plain_entry(
    message: &DynamicMessage,
    field: &FieldDescriptor,
    key: &MapKey,
    value: &ProtoValue,
) -> Value {
    let entry = ProtoValue::Map([(key.clone(), value.clone())].into());
    match plain_field(message, field, entry) {
        Value::Object(entries) => entries.into_iter().next().map(|(_, value)| value),
        _ => None,
    }
    .unwrap_or_default()
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

/// A `Struct` is a map all the way down.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            let fields = fields.into_iter().map(|(key, value)| (key, sorted(value)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::envoy, *};

    #[test]
    fn every_field_that_is_not_shown_is_one_of_the_api() {
        for (message, field) in SECRET_FIELDS.iter().chain(&PLACES) {
            let descriptor = envoy().get_message_by_name(message);
            let descriptor = descriptor.unwrap_or_else(|| panic!("{message}"));
            assert!(
                descriptor.get_field_by_name(field).is_some(),
                "{message} {field}"
            );
        }
        for message in SECRETS {
            assert!(envoy().get_message_by_name(message).is_some(), "{message}");
        }
    }
}
