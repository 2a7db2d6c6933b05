//! What keeps a client in one environment while a canary shifts, and who ends what runs for a while only.

use serde::{Deserialize, Serialize};

/// The longest name of a header or cookie, in bytes: longer ones are cut by what stands before the Envoys.
const MAX_TOKEN: usize = 128;

/// What a client is known by while the weights are between 0 and 100: whoever was sent to the new environment stays
/// there, also when its share grows.
///
/// A request without it is divided by chance. The proxies set no cookie of their own: Envoy chooses the cluster before
/// it would make one, so the cookie must be one that the application sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Sticky {
    /// The value of this request header, e.g. `x-user-id`.
    Header(String),
    /// The value of this cookie.
    Cookie(String),
}

impl Sticky {
    /// What is wrong with it, if anything.
    pub fn problem(&self) -> Option<String> {
        let (what, name, example) = match self {
            Sticky::Header(name) => ("header", name, "x-user-id"),
            Sticky::Cookie(name) => ("cookie", name, "session"),
        };
        (!is_token(name)).then(|| format!("{name:?} is no name of a {what}: write e.g. {example}"))
    }
}

/// Whether the text can be the name of a header or cookie (RFC 9110, `token`).
pub fn is_token(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.len() <= MAX_TOKEN && text.chars().all(legal)
}

/// Whether the text can be the value of a header as it is compared: printable, without spaces around it.
pub fn is_header_value(text: &str) -> bool {
    let legal = |c: char| c == ' ' || c.is_ascii_graphic();
    !text.is_empty() && text.len() <= MAX_TOKEN && text.trim() == text && text.chars().all(legal)
}

/// Who ends a mirror or a preview if the control plane can't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndedBy {
    /// Every proxy by itself: a runtime key with a time to live switches it on, and is off when it is not renewed.
    Proxies,
    /// The control plane alone: some proxy has no runtime layer for the key. While the server is down it goes on.
    #[default]
    Server,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_of_headers() {
        for good in ["x-user-id", "session", "__Host-sid"] {
            assert!(is_token(good), "{good}");
        }
        for bad in ["", "x user", "x:y", "ü", "a;b", "a=b"] {
            assert!(!is_token(bad), "{bad}");
        }
        assert!(is_header_value("green") && is_header_value("team a"));
        assert!(!is_header_value("") && !is_header_value(" x") && !is_header_value("a\nb"));
        assert!(Sticky::Cookie("a=b".to_owned()).problem().is_some());
        assert_eq!(Sticky::Header("x-user-id".to_owned()).problem(), None);
    }
}
