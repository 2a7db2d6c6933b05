//! From the settings as text to what the server runs with: each is checked, and its error says what to write.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    config::{Config, ConfigError, LogConfig},
    secret_files,
    setting::{Setting, Values},
    settings::SETTINGS,
};
use crate::{
    controller::EventSink,
    model::HumanDuration,
    xds::{
        server::{CsdsAccess, FleetBy},
        session::OnWarmTimeout,
    },
};

/// Proxies that report more often than that are busy with reporting.
const MIN_LOAD_REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Fewer kept revisions would not even hold one release with its way back.
const MIN_HISTORY: usize = 10;

/// How to log; asked before anything else, so that everything else can be logged.
pub fn logs(values: &Values) -> Result<LogConfig, ConfigError> {
    Ok(LogConfig {
        filter: values.required(setting("log"), |text| Ok::<_, String>(text.to_owned()))?,
        json: values.optional("log-format", |text| choice(text, "json", "human"))?,
    })
}

/// Checks the settings and reads the token.
pub fn server(values: &Values) -> Result<Config, ConfigError> {
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
    let admin_token = token_file.as_deref().map(secret_files::token).transpose()?;
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
    let secret = file.as_deref().map(secret_files::signing).transpose()?;
    match (url, secret) {
        (Some(url), secret) => Ok(Some(EventSink { url, secret })),
        (None, Some(_)) => Err(ConfigError::Events(
            "--events-secret-file signs nothing without --events-webhook URL".to_owned(),
        )),
        (None, None) => Ok(None),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{arguments, setting::SettingError};

    fn parse(arguments: &[&str]) -> Result<Config, ConfigError> {
        let matches =
            arguments::command().get_matches_from(std::iter::once(&"serve").chain(arguments));
        server(&arguments::values(&matches)?)
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
