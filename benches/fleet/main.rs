//! Simulated proxies against any ADS server: `cargo bench --bench fleet -- --help`.
//!
//! Prints what it measured, and fails if a proxy did not get what it should.

mod args;
mod board;
mod envoy;
mod hook;
mod process;
mod proxy;
mod report;
mod resources;
mod run;
mod server;
mod shape;
mod trigger;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command, Output, RunArgs};

/// Anything that ends the bench.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Files that a run needs besides its connections.
const OTHER_FILES: u64 = 100;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        Some(Command::Serve(args)) => hook::serve(args).await.map(|()| true),
        None => measure(args.run).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All rows; false if something was not as it should be.
async fn measure(args: RunArgs) -> Result<bool, BoxError> {
    let most = args.proxies.iter().max().copied().unwrap_or_default();
    if !process::open_files(most as u64 + OTHER_FILES) {
        eprintln!(
            "too few files may be open for {most} connections: raise the hard limit (ulimit -Hn)"
        );
    }
    let shapes: Vec<_> = match args.server {
        Some(_) => vec![None],
        None => args.shape.iter().copied().map(Some).collect(),
    };
    let mut rows = Vec::new();
    for shape in shapes {
        for mode in &args.mode {
            for proxies in &args.proxies {
                let case = run::Case {
                    proxies: *proxies,
                    mode: *mode,
                    shape,
                };
                rows.push(run::row(&args, case).await?);
            }
        }
    }
    match args.output {
        Output::Table => report::tables(&rows),
        Output::Json => report::json(&rows)?,
    }
    Ok(rows.iter().all(report::Row::ok))
}
