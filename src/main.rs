//! Arguments to `cli` or `app`.

use std::process::ExitCode;

use bluegreen::cli;

fn main() -> ExitCode {
    let whole = cli::command([]);
    let matches = whole.clone().get_matches();
    cli::start(&matches, whole)
}
