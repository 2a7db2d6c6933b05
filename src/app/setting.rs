//! Where each setting of the server comes from: flag, environment, config file or default.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use clap::{ArgMatches, parser::ValueSource};

/// One setting of `bluegreen serve`: `--NAME`, `BLUEGREEN_NAME`, or `NAME = "…"` in the config file.
pub struct Setting {
    /// Kebab-case, as in the flag and in the file.
    pub name: &'static str,
    /// How the value is shown in the help.
    pub value_name: &'static str,
    /// In force where nothing else is said; None: the setting may be absent.
    pub default: Option<&'static str>,
    /// For the help.
    pub help: &'static str,
}

impl Setting {
    /// The environment variable, e.g. `BLUEGREEN_DATA_DIR`.
    pub fn env(&self) -> String {
        env(self.name)
    }
}

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    Flag,
    /// In the environment.
    Environment,
    /// In the config file.
    File(PathBuf),
    /// Nowhere.
    Default,
}

/// Every setting's value as text, with where it came from.
#[derive(Debug, Default)]
pub struct Values(BTreeMap<&'static str, (Option<String>, Source)>);

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The config file can't be read.
    #[error("the config file {path} can't be read: {source}")]
    File {
        /// As given.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The config file is no TOML table of texts and numbers.
    #[error("the config file {path} is not understood: {detail}")]
    Syntax {
        /// As given.
        path: String,
        /// The parser's own words, on one line.
        detail: String,
    },
    /// A key that is no setting.
    #[error(
        "the config file {path} has the unknown key {key:?}{hint}: `bluegreen serve --help` lists the settings"
    )]
    UnknownKey {
        /// As given.
        path: String,
        /// The key.
        key: String,
        /// `, did you mean …?` or nothing.
        hint: String,
    },
    /// A value that does not parse.
    #[error("{place} {value:?} can't be used: {detail}")]
    Value {
        /// `--xds`, `BLUEGREEN_XDS` or `xds in FILE`.
        place: String,
        /// The text found there.
        value: String,
        /// What would be right.
        detail: String,
    },
    /// A setting without default that is missing.
    #[error("--{name} is missing: give --{name} {value_name}, or set {env}")]
    Missing {
        /// The setting.
        name: &'static str,
        /// What its value is.
        value_name: &'static str,
        /// Its environment variable.
        env: String,
    },
}

impl Values {
    /// Collects all settings: a flag wins over the environment, that over the file, that over the default.
    pub fn collect(
        settings: &'static [Setting],
        matches: &ArgMatches,
        file: Option<PathBuf>,
    ) -> Result<Self, SettingError> {
        let from_file = match &file {
            Some(path) => read_file(settings, path)?,
            None => BTreeMap::new(),
        };
        let mut values = BTreeMap::new();
        for setting in settings {
            let given = matches.get_one::<String>(setting.name).cloned();
            let found = match (given, matches.value_source(setting.name)) {
                (Some(text), Some(ValueSource::EnvVariable)) => (Some(text), Source::Environment),
                (Some(text), _) => (Some(text), Source::Flag),
                (None, _) => match (from_file.get(setting.name), &file) {
                    (Some(text), Some(path)) => (Some(text.clone()), Source::File(path.clone())),
                    _ => (setting.default.map(str::to_owned), Source::Default),
                },
            };
            values.insert(setting.name, found);
        }
        Ok(Self(values))
    }

    /// The value of a setting that may be absent.
    pub fn optional<T, E: fmt::Display>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, SettingError> {
        let Some((Some(text), source)) = self.0.get(name) else {
            return Ok(None);
        };
        parse(text).map(Some).map_err(|error| SettingError::Value {
            place: match source {
                Source::Environment => env(name),
                Source::File(path) => format!("{name} in {}", path.display()),
                Source::Flag | Source::Default => format!("--{name}"),
            },
            value: text.clone(),
            detail: error.to_string(),
        })
    }

    /// The value of a setting that must be there.
    pub fn required<T, E: fmt::Display>(
        &self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, SettingError> {
        self.optional(setting.name, parse)?
            .ok_or_else(|| SettingError::Missing {
                name: setting.name,
                value_name: setting.value_name,
                env: setting.env(),
            })
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, (value, source)) in &self.0 {
            let source = match source {
                Source::Flag => "flag".to_owned(),
                Source::Environment => "environment".to_owned(),
                Source::File(path) => path.display().to_string(),
                Source::Default => "default".to_owned(),
            };
            match value {
                Some(value) => writeln!(f, "{name} = {value:?}  # {source}")?,
                None => writeln!(f, "# {name} is not set")?,
            }
        }
        Ok(())
    }
}

fn env(name: &str) -> String {
    format!("BLUEGREEN_{}", name.replace('-', "_").to_uppercase())
}

/// The settings of a TOML file, as text.
fn read_file(
    settings: &'static [Setting],
    path: &PathBuf,
) -> Result<BTreeMap<String, String>, SettingError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| SettingError::File {
        path: shown.clone(),
        source,
    })?;
    let table: toml::Table =
        text.parse()
            .map_err(|error: toml::de::Error| SettingError::Syntax {
                path: shown.clone(),
                detail: error.message().replace('\n', " "),
            })?;
    let mut found = BTreeMap::new();
    for (key, value) in table {
        if !settings.iter().any(|setting| setting.name == key) {
            let near = settings
                .iter()
                .map(|setting| (strsim::jaro_winkler(setting.name, &key), setting.name))
                .filter(|(likeness, _)| *likeness > 0.8)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            return Err(SettingError::UnknownKey {
                path: shown,
                key,
                hint: near.map_or_else(String::new, |(_, name)| format!(", did you mean {name}?")),
            });
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            other => {
                return Err(SettingError::Syntax {
                    path: shown,
                    detail: format!(
                        "{key} must be a text, a number or true/false, not {}",
                        other.type_str()
                    ),
                });
            }
        };
        found.insert(key, text);
    }
    Ok(found)
}
