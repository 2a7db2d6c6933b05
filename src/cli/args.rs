//! Flags that several verbs share.

use std::path::PathBuf;

use crate::{api, model::HumanDuration};

/// Flags of every verb.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The admin API of the server [env: BLUEGREEN_SERVER] [default: http://127.0.0.1:18001]
    // Read by hand: clap lists what the environment sets in the usage of every mistake.
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// A file that holds the bearer token, instead of the environment's BLUEGREEN_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How data is printed on stdout
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// Why; kept in the history
    #[arg(short, long, global = true, value_name = "WHY")]
    pub message: Option<String>,
    /// Repeat the command with this id: what it did already is not done again
    #[arg(long, global = true, value_name = "UUID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub operation_id: Option<String>,
}

/// How data is printed on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For files
    Yaml,
    /// For change tickets: the record of one release
    Markdown,
}

/// Flags of every verb that changes something.
#[derive(Clone, Debug, clap::Args)]
pub struct Change {
    /// Plan and check only: nothing is stored, nothing is pushed
    #[arg(long)]
    pub dry_run: bool,
    /// Refuse unless the fleet is at exactly this revision
    #[arg(long, value_name = "REVISION", allow_negative_numbers = true, value_parser = revision)]
    pub if_revision: Option<u64>,
    /// What happens when more than --max-nack proxies reject the change: take it back, or leave it in place [default: revert]
    // A default of clap's would be said to the server, and would overrule what was said of the release.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub on_nack: Option<OnNack>,
    /// How many proxies may reject the change before --on-nack applies [default: 0]
    #[arg(long, value_name = "N")]
    pub max_nack: Option<u32>,
}

/// Flags of the verbs that wait for the fleet to accept what they push.
#[derive(Clone, Debug, clap::Args)]
pub struct Pushed {
    /// How long to wait for the fleet to accept
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    wait: HumanDuration,
    #[command(flatten)]
    change: Change,
}

impl Pushed {
    /// What the request carries, without who and why.
    pub(super) fn meta(&self) -> api::CommandMeta {
        self.change.meta(self.wait)
    }
}

/// What happens when proxies reject a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnNack {
    /// A new revision takes the change back
    Revert,
    /// The change is left in place, and reported
    Halt,
}

/// Preconditions that an operator gives up.
#[derive(Clone, Debug, clap::Args)]
pub struct Waive {
    /// So many proxies may not have the target's endpoints yet
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub allow_lagging: u32,
    /// Don't ask the target's endpoints whether they answer
    #[arg(long)]
    pub skip_probe: bool,
    /// The gates need not have passed; a canary or a shadow that is on its way is cut short
    #[arg(long)]
    pub skip_gates: bool,
    /// Waive all preconditions, also that the target was rolled back; recorded in the history
    #[arg(long)]
    pub force: bool,
}

impl From<Waive> for api::Waivers {
    fn from(waive: Waive) -> Self {
        Self {
            allow_lagging: waive.allow_lagging,
            skip_probe: waive.skip_probe,
            skip_gates: waive.skip_gates,
            force: waive.force,
        }
    }
}

impl Change {
    /// What the request carries, without who and why.
    pub(super) fn meta(&self, wait: HumanDuration) -> api::CommandMeta {
        api::CommandMeta {
            dry_run: self.dry_run,
            wait_ms: millis(wait),
            on_nack: match self.on_nack {
                None => api::OnNack::Unspecified,
                Some(OnNack::Revert) => api::OnNack::Revert,
                Some(OnNack::Halt) => api::OnNack::Halt,
            }
            .into(),
            max_nack: self.max_nack,
            if_revision: self.if_revision.unwrap_or_default(),
            ..Default::default()
        }
    }
}

/// A command on one service names it, however often that is said; on several it lists them.
pub(super) fn one_or_several(named: Vec<String>) -> (String, Vec<String>) {
    let mut services: Vec<String> = Vec::with_capacity(named.len());
    for service in named {
        if !services.contains(&service) {
            services.push(service);
        }
    }
    match services.as_slice() {
        [_] => (services.remove(0), Vec::new()),
        _ => (String::new(), services),
    }
}

/// Milliseconds, as the admin API has them.
pub(super) fn millis(duration: HumanDuration) -> u64 {
    u64::try_from(duration.0.as_millis()).unwrap_or(u64::MAX)
}

/// A revision, as it may be typed.
pub(super) fn revision(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a revision is a number from 1".to_owned()),
        Ok(revision) => Ok(revision),
    }
}

#[cfg(test)]
mod tests {
    use super::one_or_several;

    #[test]
    fn a_service_that_is_named_twice_is_one() {
        let said = |names: &[&str]| one_or_several(names.iter().map(ToString::to_string).collect());
        assert_eq!(said(&["a", "a"]), ("a".to_owned(), Vec::new()));
        let several = vec!["b".to_owned(), "a".to_owned()];
        assert_eq!(said(&["b", "a", "b"]), (String::new(), several));
    }
}
