//! Arguments to `cli` or `app`.

use std::process::ExitCode;

use bluegreen::{app, cli};

fn main() -> ExitCode {
    let whole = cli::command([app::command()]);
    let matches = whole.clone().get_matches();
    match matches.subcommand() {
        Some(("serve", serve)) => app::start(serve),
        _ => cli::start(&matches, whole),
    }
}
