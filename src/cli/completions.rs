//! `completions`: what a shell needs to complete the verbs and flags.

use clap_complete::Shell;

use super::{error::Error, out};

/// Print the completions for a shell
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  source <(bluegreen completions bash)
  bluegreen completions zsh > ~/.zfunc/_bluegreen")]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, mut whole: clap::Command) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole, "bluegreen", &mut script);
    out::stdout(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
