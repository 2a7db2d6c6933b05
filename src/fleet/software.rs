//! What a proxy says it is, and whether that is known to work.

/// The oldest line of Envoy that bluegreen is tested with, as major and minor.
pub const OLDEST_ENVOY: (u32, u32) = (1, 36);

/// What an operator should know of a proxy that says this of itself (`envoy 1.40.0`); None if there is nothing. Clients
/// that are no Envoy are known by their name alone.
pub fn software_warning(software: &str) -> Option<String> {
    let mut words = software.split_whitespace();
    if words.next() != Some("envoy") {
        return None;
    }
    let (major, minor) = OLDEST_ENVOY;
    let Some(version) = words.next().and_then(version) else {
        return Some(format!(
            "does not say which version of Envoy it is: {major}.{minor} is the oldest that is supported"
        ));
    };
    (version < OLDEST_ENVOY).then(|| {
        format!("{software} is older than {major}.{minor}, the oldest that is supported: update it")
    })
}

/// Whether it is a gRPC client without a proxy: those of all languages begin their name so.
pub fn is_grpc(software: &str) -> bool {
    software.split_whitespace().next() == Some("gRPC")
}

/// Major and minor of `1.40.0` or `1.40.0-dev`. Nothing was ever released as 0.0: that is a build that was not told.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-']);
    let version = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (version != (0, 0)).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envoy_that_is_too_old_or_of_unknown_version_is_warned_of_and_nobody_else() {
        for fine in [
            "envoy 1.36.0",
            "envoy 1.40.0",
            "envoy 1.41.0-dev",
            "envoy 2.0.0",
            "gRPC C-core linux C-core 1.76.0",
            "scripted",
            "",
        ] {
            assert_eq!(software_warning(fine), None, "{fine}");
        }
        for old in ["envoy 1.35.9", "envoy 0.99.0", "envoy 1.9.0"] {
            let warning = software_warning(old).unwrap();
            assert!(warning.contains("older than 1.36"), "{warning}");
        }
        for unknown in ["envoy", "envoy 0.0.0", "envoy dev"] {
            let warning = software_warning(unknown).unwrap();
            assert!(warning.contains("does not say"), "{warning}");
        }
    }
}
