//! `make demo`: a fleet of real Envoys moves 50,000 transactions a minute from one version of a model to the next
//! and back, in front of one's eyes, and loses none.
//!
//! Everything in it is real: the release binary, driven by its command line; Envoys with the bootstrap that users
//! get; model servers that are processes of their own; and a load that retries nothing.

mod chart;
mod control_plane;
mod customers;
mod ending;
#[allow(dead_code, reason = "the tests use the rest")]
mod envoy;
mod http;
#[allow(dead_code, reason = "the tests use the rest")]
mod load;
mod ports;
mod process;
mod report;
mod screen;
mod story;
mod taken_back;
mod trial;
mod trouble;
mod world;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    screen::Screen,
    story::{Failed, Story},
    world::{Binaries, World},
};

/// The demo of bluegreen: three Envoys, two versions of a model, one push.
#[derive(Parser)]
struct Args {
    /// Leave everything running afterwards, under load, to try commands.
    #[arg(long)]
    keep: bool,
    /// Show the chart and the tables without colours, also on a terminal.
    #[arg(long, env = "NO_COLOR", value_parser = clap::builder::FalseyValueParser::new())]
    no_color: bool,
    /// The bluegreen to run; without it the one that was built together with this demo.
    #[arg(long)]
    bluegreen: Option<PathBuf>,
}

/// What a shell reports for a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mut screen = Screen::new(args.no_color);
    let mut world = None;
    // Whatever happens, all processes are ended and the directory is removed before this program ends.
    let code = tokio::select! {
        result = run(&args, &mut screen, &mut world) => match result {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                screen.failed(&error);
                ExitCode::FAILURE
            }
        },
        () = interrupted() => ExitCode::from(INTERRUPTED),
    };
    screen.clear();
    if let Some(world) = world {
        world.shut_down().await;
    }
    code
}

/// Tells the story; whether it went as promised.
async fn run(args: &Args, screen: &mut Screen, world: &mut Option<World>) -> Result<bool, Failed> {
    let binaries = Binaries::find(args.bluegreen.clone())?;
    let world = world.insert(World::new(binaries)?);
    let mut story = Story::new(world, screen);
    let ending = story.tell().await?;
    let good = report::show(story.screen(), &ending);
    if args.keep {
        story.keep().await?;
    }
    Ok(good)
}

/// Returns when the terminal or the system wants this program to end.
async fn interrupted() {
    let mut signals = Vec::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        // Where a signal cannot be caught, it still ends the program.
        if let Ok(signal) = signal(kind) {
            signals.push(signal);
        }
    }
    let waits = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
    futures::future::select_all(waits).await;
}
