//! The command line: one file per verb; a client of the admin API like any other.
//!
//! Data goes to stdout, everything else (plans, notes, progress, errors) to stderr. What a command did is told
//! by its exit code too; `docs/operations.md` lists them.

use std::process::ExitCode;

mod apply;
mod args;
mod client;
mod confirm;
mod convert;
mod deploy;
mod diff;
mod error;
mod files;
mod help;
mod out;
mod perform;
mod progress;
mod report;
mod rollback;
mod status;
mod switch;
mod table;

pub use args::Globals;
use clap::{Args, FromArgMatches, Subcommand};
use client::Context;

/// What an operator can do.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    Apply(apply::Args),
    Deploy(deploy::Args),
    #[command(visible_alias = "promote")]
    Switch(switch::Args),
    #[command(visible_alias = "undo")]
    Rollback(rollback::Args),
    Status(status::Args),
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
    let _ = whole;
    let done = match command {
        Command::Apply(args) => apply::run(&cx, args).await,
        Command::Deploy(args) => deploy::run(&cx, args).await,
        Command::Switch(args) => switch::run(&cx, args).await,
        Command::Rollback(args) => rollback::run(&cx, args).await,
        Command::Status(args) => status::run(&cx, args).await,
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            out::failure(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
