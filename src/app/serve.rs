//! `bluegreen serve`: settings, logs, the server, and signals.

use std::{io::Write as _, process::ExitCode};

use clap::ArgMatches;
use tokio::sync::oneshot;

use super::{
    arguments, checked,
    config::{Config, ConfigError},
    errors::{RunError, StartError},
    log::{self, LogError},
    server::App,
    signals::Signals,
};

/// Exit code of a server whose settings can't be used (docs/operations.md).
const BAD_USAGE: u8 = 2;

/// The server did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the asynchronous runtime can't be started: {0}")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Start(#[from] Box<StartError>),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(
        "it was told to stop a second time, and stopped before everything had come to its end: what was answered for is on the disk"
    )]
    Insisted,
}

/// Runs the server until SIGTERM, Ctrl-C or SIGHUP.
pub fn start(matches: &ArgMatches) -> ExitCode {
    match run(matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                ServeError::Config(_) | ServeError::Log(_) => ExitCode::from(BAD_USAGE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(matches: &ArgMatches) -> Result<(), ServeError> {
    let values = arguments::values(matches).map_err(ConfigError::from)?;
    let only_print = matches.get_flag("print-config");
    if only_print {
        // Also those that are refused: then it shows where they come from.
        let _ = write!(std::io::stdout().lock(), "{values}");
    }
    let logs = checked::logs(&values)?;
    let config = checked::server(&values)?;
    let _log = log::start(&logs)?;
    if only_print {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new().map_err(ServeError::Runtime)?;
    let ended = runtime.block_on(serve(config));
    // What had to come to an end has: who still reads a file, on a disk that hangs, is not waited for.
    runtime.shutdown_background();
    ended
}

async fn serve(config: Config) -> Result<(), ServeError> {
    // Before anything listens: a signal that comes early must not kill the process in mid-start.
    let mut signals = Signals::listen().map_err(ServeError::Runtime)?;
    let app = tokio::select! {
        app = App::build(config) => app.map_err(Box::new)?,
        // The store may be long in opening, on a disk that hangs: nothing was answered for, and what it was at is done again.
        () = signals.asked() => {
            tracing::info!("stopping before the start is done");
            return Ok(());
        }
    };
    let addresses = app.addresses();
    // Nobody may read it: that is no reason not to serve.
    let _ = write!(std::io::stdout().lock(), "{addresses}");
    let (stop, stopped) = oneshot::channel();
    let running = app.run(async {
        // Nobody else has the other end, and it is kept until the second signal.
        let _ = stopped.await;
    });
    let insisted = async {
        signals.asked().await;
        let _ = stop.send(());
        // A clean end waits for the disk, which may hang.
        signals.insisted().await;
    };
    tokio::select! {
        ended = running => Ok(ended?),
        () = insisted => Err(ServeError::Insisted),
    }
}
