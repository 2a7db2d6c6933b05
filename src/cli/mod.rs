//! The command line: one file per verb; a client of the admin API like any other.
//!
//! Data goes to stdout, everything else (plans, notes, progress, errors) to stderr. What a command did is told
//! by its exit code too; `docs/operations.md` lists them.

use std::process::ExitCode;

mod age;
mod apply;
mod args;
mod change;
mod client;
mod completions;
mod confirm;
mod convert;
mod delete;
mod deploy;
mod describe;
mod diff;
mod documents;
mod error;
mod export;
mod files;
mod fleet;
mod fleet_resources;
mod fleet_stats;
mod fleet_text;
mod fleet_view;
mod get;
mod help;
mod hidden;
mod history;
mod kind;
mod out;
mod perform;
mod preview;
mod progress;
mod rebuild;
mod reconnect;
mod report;
mod report_text;
mod retire;
mod rollback;
mod rollout;
mod scale;
mod shadow;
mod shift;
mod show;
mod status;
mod switch;
mod table;
mod watch;

pub use args::Globals;
use clap::{Args, FromArgMatches, Subcommand};
use client::Context;

/// What an operator can do.
#[derive(Clone, Debug, clap::Subcommand)]
#[allow(missing_docs)] // each verb's description is the doc comment of its arguments
pub enum Command {
    Release(rollout::ReleaseArgs),
    Deploy(deploy::Args),
    Validate(rollout::ValidateArgs),
    Approve(rollout::ApproveArgs),
    Reject(rollout::RejectArgs),
    #[command(visible_alias = "promote")]
    Switch(switch::Args),
    #[command(visible_alias = "undo")]
    Rollback(rollback::Args),
    Preview(preview::Args),
    Shadow(shadow::Args),
    Shift(shift::Args),
    Pause(rollout::PauseArgs),
    Resume(rollout::ResumeArgs),
    Abort(rollout::AbortArgs),
    Retry(rollout::RetryArgs),
    Extend(rollout::ExtendArgs),
    Retire(retire::Args),
    Scale(scale::Args),
    Apply(apply::Args),
    Get(get::Args),
    Describe(describe::Args),
    Export(export::Args),
    Delete(delete::Args),
    Status(status::Args),
    Watch(watch::Args),
    Fleet(fleet::Args),
    Releases(rollout::ReleasesArgs),
    History(history::Args),
    Diff(diff::Args),
    Show(show::Args),
    Rebuild(rebuild::Args),
    Completions(completions::Args),
}

impl Command {
    /// The verb can print in that format.
    fn prints(&self, format: Option<args::Format>) -> bool {
        format != Some(args::Format::Markdown) || matches!(self, Self::Releases(_))
    }
}

/// The complete command line. `others` are the verbs that are not clients: `serve`.
pub fn command(others: impl IntoIterator<Item = clap::Command>) -> clap::Command {
    let flags = Globals::augment_args(clap::Command::new("bluegreen"));
    let command = Command::augment_subcommands(flags)
        .version(env!("CARGO_PKG_VERSION"))
        .about("An Envoy control plane for blue-green deployment")
        .long_about(None)
        .after_help("`bluegreen VERB --help` explains a verb and has examples.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(others);
    help::grouped(command)
}

/// Carries out a client's verb, for which `matches` came from `whole`, the complete command line.
pub fn start(matches: &clap::ArgMatches, whole: clap::Command) -> ExitCode {
    let parsed = Globals::from_arg_matches(matches)
        .and_then(|globals| Ok((globals, Command::from_arg_matches(matches)?)));
    let (globals, command) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.format(&mut whole.clone()).exit(),
    };
    // One command, one connection: more than one thread has nothing to do.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            out::failure(&error::Error::Runtime(error));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(globals, command, whole));
    // A question that was not answered still reads from the terminal; nobody waits for it.
    runtime.shutdown_background();
    code
}

/// Carries out one command and says how the process should end. `whole` is the complete command line, for the
/// completions.
pub async fn run(globals: Globals, command: Command, whole: clap::Command) -> ExitCode {
    let cx = Context::new(globals);
    let done = match command {
        command if !command.prints(cx.globals.output) => Err(error::Error::Usage(
            "-o markdown is for the record of one release: `bluegreen releases SERVICE N -o markdown`"
                .to_owned(),
        )),
        Command::Release(args) => rollout::release(&cx, args).await,
        Command::Validate(args) => rollout::validate(&cx, args).await,
        Command::Approve(args) => rollout::approve(&cx, args).await,
        Command::Reject(args) => rollout::reject(&cx, args).await,
        Command::Pause(args) => rollout::pause(&cx, args).await,
        Command::Resume(args) => rollout::resume(&cx, args).await,
        Command::Abort(args) => rollout::abort(&cx, args).await,
        Command::Retry(args) => rollout::retry(&cx, args).await,
        Command::Extend(args) => rollout::extend(&cx, args).await,
        Command::Releases(args) => rollout::releases(&cx, args).await,
        Command::Deploy(args) => deploy::run(&cx, args).await,
        Command::Switch(args) => switch::run(&cx, args).await,
        Command::Rollback(args) => rollback::run(&cx, args).await,
        Command::Preview(args) => preview::run(&cx, args).await,
        Command::Shadow(args) => shadow::run(&cx, args).await,
        Command::Shift(args) => shift::run(&cx, args).await,
        Command::Retire(args) => retire::run(&cx, args).await,
        Command::Scale(args) => scale::run(&cx, args).await,
        Command::Apply(args) => apply::run(&cx, args).await,
        Command::Get(args) => get::run(&cx, args).await,
        Command::Describe(args) => describe::run(&cx, args).await,
        Command::Export(args) => export::run(&cx, args).await,
        Command::Delete(args) => delete::run(&cx, args).await,
        Command::Status(args) => status::run(&cx, args).await,
        Command::Watch(args) => watch::run(&cx, args).await,
        Command::Fleet(args) => fleet::run(&cx, args).await,
        Command::History(args) => history::run(&cx, args).await,
        Command::Diff(args) => diff::run(&cx, args).await,
        Command::Show(args) => show::run(&cx, args).await,
        Command::Rebuild(args) => rebuild::run(&cx, args).await,
        Command::Completions(args) => completions::run(&args, whole),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            out::failure(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
