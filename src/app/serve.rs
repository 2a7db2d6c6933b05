//! `bluegreen serve`: settings, logs, the server, and signals.

use std::{io::Write as _, process::ExitCode};

use clap::ArgMatches;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    arguments, checked,
    config::{Config, ConfigError},
    errors::{RunError, StartError},
    log::{self, LogError},
    server::App,
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
}

/// Runs the server until SIGTERM or Ctrl-C.
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
    if matches.get_flag("print-config") {
        let _ = write!(std::io::stdout().lock(), "{values}");
        return Ok(());
    }
    let logs = checked::logs(&values)?;
    let config = checked::server(&values)?;
    let _log = log::start(&logs)?;
    let runtime = tokio::runtime::Runtime::new().map_err(ServeError::Runtime)?;
    let ended = runtime.block_on(serve(config));
    // What had to come to an end has: who still reads a file, on a disk that hangs, is not waited for.
    runtime.shutdown_background();
    ended
}

async fn serve(config: Config) -> Result<(), ServeError> {
    // Before anything listens: a signal that comes early must not kill the process in mid-start.
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
    let mut shutdown = std::pin::pin!(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    let app = tokio::select! {
        app = App::build(config) => app.map_err(Box::new)?,
        // The store may be long in opening, on a disk that hangs: nothing was answered for, and what it was at is done again.
        () = &mut shutdown => {
            tracing::info!("stopping before the start is done");
            return Ok(());
        }
    };
    let addresses = app.addresses();
    // Nobody may read it: that is no reason not to serve.
    let _ = write!(std::io::stdout().lock(), "{addresses}");
    Ok(app.run(shutdown).await?)
}
