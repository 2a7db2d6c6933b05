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
use client::Context;
pub use help::grouped;

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
