//! The command line of `bluegreen serve`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{
    setting::{SettingError, Values},
    settings::SETTINGS,
};

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
                .help("Print every setting in force and where it comes from, check them, and exit"),
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
