//! Secrets of the server, each in a file of its own: what is on a command line can be seen by others.

use std::{path::Path, sync::Arc};

use super::config::ConfigError;

/// A shorter token could be guessed.
const MIN_TOKEN: usize = 16;

/// The token that admin calls must carry.
pub fn token(path: &Path) -> Result<String, ConfigError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::TokenFile {
        path: shown.clone(),
        source,
    })?;
    let token = text.trim();
    let usable = token.len() >= MIN_TOKEN && token.bytes().all(|b| b.is_ascii_graphic());
    if usable {
        Ok(token.to_owned())
    } else {
        Err(ConfigError::Token(shown))
    }
}

/// What events are signed with.
pub fn signing(path: &Path) -> Result<Arc<[u8]>, ConfigError> {
    let text = std::fs::read(path).map_err(|error| {
        ConfigError::Events(format!(
            "--events-secret-file {} can't be read: {error}",
            path.display()
        ))
    })?;
    let secret = text.trim_ascii();
    if secret.len() < MIN_TOKEN {
        return Err(ConfigError::Events(format!(
            "--events-secret-file {} must hold at least {MIN_TOKEN} bytes",
            path.display()
        )));
    }
    Ok(secret.into())
}
