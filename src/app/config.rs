//! The settings of `bluegreen serve`, checked.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{
    setting::{Setting, SettingError, Values},
    settings::SETTINGS,
};
use crate::{
    controller::{DRAIN, EventSink},
    model::HumanDuration,
    xds::{
        server::{CsdsAccess, FleetBy, LOAD_REPORT_INTERVAL},
        session::OnWarmTimeout,
    },
};

/// What the server runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Envoys connect.
    pub xds: SocketAddr,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Where health is served.
    pub http: SocketAddr,
    /// Where revisions are kept.
    pub data_dir: PathBuf,
    /// The token that admin calls must carry; None on loopback only.
    pub admin_token: Option<String>,
    /// What of a node names its fleet.
    pub fleet_by: FleetBy,
    /// Proxies of undeclared fleets are refused.
    pub reject_unknown_fleets: bool,
    /// Revisions kept per fleet.
    pub history_limit: usize,
    /// A proxy that is away so long leaves the roster.
    pub forget_after: Duration,
    /// After how long a route that waits for its cluster is reported.
    pub warm_timeout: Duration,
    /// What becomes of it then.
    pub on_warm_timeout: OnWarmTimeout,
    /// How often proxies report their load.
    pub load_report_interval: Duration,
    /// How long a standby is waited for that still has requests or streams.
    pub drain_time: Duration,
    /// The folder of check data.
    pub check_data: Option<PathBuf>,
    /// Hooks may run programs.
    pub allow_exec_hooks: bool,
    /// Where events of releases go.
    pub events: Option<EventSink>,
    /// Who may ask on the xDS port what each proxy has.
    pub csds: CsdsAccess,
    /// Start on a store that went back in time.
    pub accept_older: bool,
}

impl Config {
    /// A server on free loopback ports with that data directory, everything else by default: for tests.
    pub fn local(data_dir: &Path) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            xds: free,
            admin: free,
            http: free,
            data_dir: data_dir.to_owned(),
            admin_token: None,
            fleet_by: FleetBy::Cluster,
            reject_unknown_fleets: false,
            history_limit: 1000,
            forget_after: Duration::from_secs(600),
            warm_timeout: Duration::from_secs(20),
            on_warm_timeout: OnWarmTimeout::Hold,
            load_report_interval: LOAD_REPORT_INTERVAL,
            drain_time: DRAIN,
            check_data: None,
            allow_exec_hooks: false,
            events: None,
            csds: CsdsAccess::default(),
            accept_older: false,
        }
    }
}

/// How the server logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `tracing-subscriber`'s filter syntax.
    pub filter: String,
    /// None: by whether stderr is a terminal.
    pub json: Option<bool>,
}

/// A configuration that the server refuses to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting is missing or does not parse.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The admin API would be open to the network.
    #[error(
        "--admin {0} is reachable from other machines: give --admin-token-file FILE with a secret in it, or listen on 127.0.0.1"
    )]
    OpenAdmin(SocketAddr),
    /// The token file can't be read.
    #[error("--admin-token-file {path} can't be read: {source}")]
    TokenFile {
        /// As given.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Events can't be sent so.
    #[error("{0}")]
    Events(String),
    /// The token is no token.
    #[error(
        "--admin-token-file {0} must hold one line of at least 16 printable characters without spaces"
    )]
    Token(String),
}

/// The command line of `bluegreen serve`.
pub fn command() -> Command {
    let mut command = Command::new("serve")
        .about("Run the control plane")
        .after_help(
            "Every setting can also be given as BLUEGREEN_NAME in the environment, or as a line of the \
             config file (TOML): data-dir = \"/var/lib/bluegreen\".\n\nExample:\n  bluegreen serve --data-dir /var/lib/bluegreen",
        )
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .env("BLUEGREEN_CONFIG")
                .help("A file with settings (TOML)"),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print every setting in force and where it comes from, and exit"),
        );
    for setting in &SETTINGS {
        let help = match setting.default {
            Some(default) => format!("{} [default: {default}]", setting.help),
            None => setting.help.to_owned(),
        };
        let mut argument = Arg::new(setting.name)
            .long(setting.name)
            .value_name(setting.value_name)
            .env(setting.env())
            .hide_env_values(true)
            .help(help);
        if setting.value_name == "true|false" {
            argument = argument
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true");
        }
        command = command.arg(argument);
    }
    command
}

/// The settings of one start, still as text.
pub fn values(matches: &ArgMatches) -> Result<Values, SettingError> {
    let file = matches.get_one::<String>("config").map(PathBuf::from);
    Values::collect(&SETTINGS, matches, file)
}

/// How to log; asked before anything else, so that everything else can be logged.
pub fn log_config(values: &Values) -> Result<LogConfig, ConfigError> {
    Ok(LogConfig {
        filter: values.required(setting("log"), |text| Ok::<_, String>(text.to_owned()))?,
        json: values.optional("log-format", |text| choice(text, "json", "human"))?,
    })
}

/// Checks the settings and reads the token.
pub fn config(values: &Values) -> Result<Config, ConfigError> {
    let address = |name| {
        values.required(setting(name), |text| {
            text.parse::<SocketAddr>()
                .map_err(|error| format!("{error}: write IP:PORT, e.g. 127.0.0.1:18001"))
        })
    };
    let duration = |name| {
        values
            .required(setting(name), str::parse::<HumanDuration>)
            .map(|duration| duration.0)
    };
    let admin = address("admin")?;
    let token_file = values.optional("admin-token-file", |text| {
        Ok::<_, String>(PathBuf::from(text))
    })?;
    let admin_token = token_file.as_deref().map(read_token).transpose()?;
    if admin_token.is_none() && !admin.ip().is_loopback() {
        return Err(ConfigError::OpenAdmin(admin));
    }
    Ok(Config {
        xds: address("xds")?,
        admin,
        http: address("http")?,
        data_dir: values.required(setting("data-dir"), |text| match text {
            "" => Err("write a directory's path"),
            path => Ok(PathBuf::from(path)),
        })?,
        admin_token,
        fleet_by: values.required(setting("fleet-by"), str::parse::<FleetBy>)?,
        reject_unknown_fleets: values.required(setting("unknown-fleet"), |text| {
            choice(text, "reject", "wait")
        })?,
        history_limit: values.required(setting("revision-history-limit"), |text| {
            match text.parse::<usize>() {
                Ok(limit) if limit >= MIN_HISTORY => Ok(limit),
                _ => Err(format!(
                    "write a number from {MIN_HISTORY} to {}",
                    usize::MAX
                )),
            }
        })?,
        forget_after: duration("forget-after")?,
        warm_timeout: duration("warm-timeout")?,
        on_warm_timeout: values.required(setting("on-warm-timeout"), |text| {
            Ok::<_, String>(match choice(text, "send", "hold")? {
                true => OnWarmTimeout::Send,
                false => OnWarmTimeout::Hold,
            })
        })?,
        load_report_interval: values.required(setting("load-report-interval"), |text| {
            match text.parse::<HumanDuration>() {
                Ok(HumanDuration(interval)) if interval >= MIN_LOAD_REPORT_INTERVAL => Ok(interval),
                Ok(_) => Err("write at least 100ms".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })?,
        drain_time: duration("drain-time")?,
        check_data: values.optional("check-data", |text| Ok::<_, String>(PathBuf::from(text)))?,
        allow_exec_hooks: values.required(setting("allow-exec-hooks"), |text| {
            choice(text, "true", "false")
        })?,
        events: events(values)?,
        csds: values.required(setting("csds"), str::parse::<CsdsAccess>)?,
        accept_older: values.required(setting("accept-older"), |text| {
            choice(text, "true", "false")
        })?,
    })
}

fn events(values: &Values) -> Result<Option<EventSink>, ConfigError> {
    let url = values.optional("events-webhook", |text| {
        let known = ["http://", "https://"]
            .iter()
            .any(|it| text.starts_with(it));
        let whole = known && text.parse::<http::Uri>().is_ok();
        whole
            .then(|| text.to_owned())
            .ok_or("write a URL with http:// or https://")
    })?;
    let file = values.optional("events-secret-file", str::parse::<PathBuf>)?;
    let secret = match &file {
        None => None,
        Some(path) => {
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
            Some(secret.into())
        }
    };
    match (url, secret) {
        (Some(url), secret) => Ok(Some(EventSink { url, secret })),
        (None, Some(_)) => Err(ConfigError::Events(
            "--events-secret-file signs nothing without --events-webhook URL".to_owned(),
        )),
        (None, None) => Ok(None),
    }
}

/// Proxies that report more often than that are busy with reporting.
const MIN_LOAD_REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Fewer kept revisions would not even hold one release with its way back.
const MIN_HISTORY: usize = 10;

/// A shorter token could be guessed.
const MIN_TOKEN: usize = 16;

fn setting(name: &str) -> &'static Setting {
    SETTINGS
        .iter()
        .find(|setting| setting.name == name)
        .unwrap_or(&SETTINGS[0]) // proof: every caller names one of SETTINGS; the test below holds it
}

fn choice(text: &str, yes: &str, no: &str) -> Result<bool, String> {
    match text {
        _ if text == yes => Ok(true),
        _ if text == no => Ok(false),
        _ => Err(format!("write {no} or {yes}")),
    }
}

fn read_token(path: &Path) -> Result<String, ConfigError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Config, ConfigError> {
        let matches = command().get_matches_from(std::iter::once(&"serve").chain(arguments));
        config(&values(&matches)?)
    }

    #[test]
    fn defaults_need_only_a_data_directory() {
        let config = parse(&["--data-dir", "/tmp/x"]).unwrap();
        assert_eq!(config.xds, "0.0.0.0:18000".parse().unwrap());
        assert_eq!(config.forget_after, Duration::from_secs(600));
        assert!(!config.accept_older);
        assert!(matches!(
            parse(&[]),
            Err(ConfigError::Setting(SettingError::Missing {
                name: "data-dir",
                ..
            }))
        ));
    }

    #[test]
    fn an_open_admin_address_needs_a_token() {
        let open = ["--data-dir", "x", "--admin", "0.0.0.0:0"];
        assert!(matches!(parse(&open), Err(ConfigError::OpenAdmin(_))));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let with_file = |content: &str| {
            std::fs::write(&file, content).unwrap();
            let path = file.to_str().unwrap();
            parse(&[&open[..], &["--admin-token-file", path]].concat())
        };
        assert!(matches!(with_file("short\n"), Err(ConfigError::Token(_))));
        let config = with_file("0123456789abcdef\n").unwrap();
        assert_eq!(config.admin_token.as_deref(), Some("0123456789abcdef"));
    }

    #[test]
    fn a_file_is_second_to_flags_and_its_errors_name_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bluegreen.toml");
        let with_file = |content: &str| {
            std::fs::write(&file, content).unwrap();
            parse(&["--config", file.to_str().unwrap(), "--xds", "127.0.0.1:1"])
        };
        let config = with_file("data-dir = 'd'\nxds = '127.0.0.1:2'\nforget-after = '1m'").unwrap();
        assert_eq!(config.xds.port(), 1);
        assert_eq!(config.forget_after, Duration::from_secs(60));
        let message = with_file("data-dri = 'd'").unwrap_err().to_string();
        assert!(message.contains("did you mean data-dir?"), "{message}");
        let message = with_file("data-dir = 'd'\nforget-after = 'soon'")
            .unwrap_err()
            .to_string();
        assert!(message.contains("forget-after in"), "{message}");
    }
}
