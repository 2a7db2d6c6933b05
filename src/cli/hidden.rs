//! Hides keys and passwords in a page for people: as kubectl, `describe` does not show what `get -o yaml` gives.

use serde_json::Value;

/// What stands in the place of data that is not shown, as in `show` and `diff`.
const REDACTED: &str = "[redacted]";

/// Fields of Envoy's API in which there are keys or passwords, without underscores and in small letters: both ways of
/// proto3 JSON to write a name are one.
const FIELDS: [&str; 12] = [
    "authpassword",
    "credentials",
    "downstreamauthpassword",
    "downstreamauthpasswords",
    "genericsecret",
    "password",
    "pkcs12",
    "privatekey",
    "secretaccesskey",
    "sessionticketkeys",
    "sessiontoken",
    "users",
];

/// Hides them, wherever they stand in a document.
pub(super) fn hide(document: &mut Value) {
    within(document, false);
}

fn within(value: &mut Value, secret: bool) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('_', "").to_ascii_lowercase();
                // Where it comes from is no secret.
                let place = matches!(&*name, "filename" | "environmentvariable" | "@type");
                within(value, (secret || FIELDS.contains(&&*name)) && !place);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| within(item, secret)),
        Value::String(text) if secret => REDACTED.clone_into(text),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_and_passwords_are_hidden_and_nothing_else_is() {
        let document = |key: &str, users: &str| {
            json!({ "spec": { "resources": [
                { "name": "s", "tls_certificate": {
                    "certificate_chain": { "inline_string": "chain" },
                    "private_key": { "inline_string": key } } },
                { "name": "t", "tlsCertificate": { "privateKey": { "inlineBytes": key }, "password": { "filename": "/p" } } },
                { "name": "l", "filters": [{ "typed_config": { "@type": "basic_auth", "users": { "inlineString": users } } }] },
            ] } })
        };
        let mut shown = document("key", "user:hash");
        hide(&mut shown);
        assert_eq!(shown, document(REDACTED, REDACTED));
    }
}
