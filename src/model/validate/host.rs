//! Host names as Envoy's virtual hosts take them (`VirtualHost.domains`).

use super::super::path::quoted;

/// The longest host: a DNS name (253) and a port.
const MAX_HOST: usize = 259;

/// What is wrong with a host, if anything: it must be exact, `*.suffix`, `prefix.*` or `*`.
pub(super) fn problem(host: &str) -> Option<String> {
    let shown = quoted(host, 64);
    if host.is_empty() {
        return Some("is empty: write a host name, *.suffix, prefix.* or *".to_owned());
    }
    if host.len() > MAX_HOST {
        return Some(format!(
            "{shown} has more than {MAX_HOST} characters, no host name is so long"
        ));
    }
    if host == "*" {
        return None;
    }
    let rest = host.strip_prefix('*').unwrap_or(host);
    let bare = match rest.len() == host.len() {
        true => host.strip_suffix('*').unwrap_or(host),
        false => rest,
    };
    if bare.contains('*') {
        return Some(format!(
            "{shown} has a * that is neither its first nor its last character: write *.suffix, prefix.* or *"
        ));
    }
    let wrong = bare
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']')));
    wrong.map(|c| {
        format!("{shown} holds {c:?}, which no host name does: write the name alone, without http:// or a path")
    })
}

/// The form in which Envoy compares hosts.
pub(super) fn canonical(host: &str) -> String {
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_envoys_four_forms() {
        for host in [
            "*",
            "a.example",
            "a:8080",
            "[::1]:80",
            "*.example",
            "*-x.example",
            "a.*",
            "a-*",
        ] {
            assert_eq!(problem(host), None, "{host}");
        }
    }

    #[test]
    fn refuses_what_envoy_refuses_or_never_matches() {
        for host in [
            "",
            "**",
            "*.a.*",
            "a.*.b",
            "http://a",
            "a/b",
            "a b",
            "ä.example",
            "a\n",
        ] {
            assert!(problem(host).is_some(), "{host:?}");
        }
        assert!(problem(&"a".repeat(300)).is_some());
    }
}
