//! The command line of the fleet bench.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use bluegreen::model::HumanDuration;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::{proxy::Stall, shape::Shape, wire::Mode};

const EXAMPLES: &str = "\
Without --server it starts the bluegreen of this build with a generated fleet, once per row, and switches it through the
admin API. Figures are medians of all switches of a row, with (least-most).

Examples:
  cargo bench --bench fleet
      the small series of `make bench`
  cargo bench --bench fleet -- --proxies 10000 --mode sotw --shape small
      ten thousand proxies
  cargo bench --bench fleet -- --proxies 1000 --shape large --slow 100 --stall socket
      a tenth of the fleet stops reading once it is warm
  cargo bench --bench fleet -- --proxies 10000 --mode delta --reconnects 3
      all proxies lose their connections at once, three times
  cargo bench --bench fleet -- --server 127.0.0.1:18000 --pid 4242 --fleet fleet --proxies 1000 --trigger http://127.0.0.1:18001/switch
      any other ADS server, switched by an HTTP POST; --trigger also takes a shell command
  cargo bench --bench fleet -- serve --shape large --port 18000 --listen 127.0.0.1:18001
      the other way round: a bluegreen with a generated fleet for any other load generator";

/// Simulated proxies against any ADS server: how fast a fleet is warm, how fast a switch reaches all of it, and what
/// that costs the server.
#[derive(Parser)]
#[command(name = "fleet", after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve a generated fleet that is switched by an HTTP POST to /switch
    Serve(ServeArgs),
}

#[derive(ClapArgs, Clone)]
pub struct RunArgs {
    /// Proxies, one TCP connection each; several: one row per number
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "100,1000"
    )]
    pub proxies: Vec<usize>,
    /// Variants of the protocol
    #[arg(long, value_enum, value_delimiter = ',', default_value = "sotw,delta")]
    pub mode: Vec<Mode>,
    /// Generated fleets
    #[arg(long, value_enum, value_delimiter = ',', default_value = "small,large")]
    pub shape: Vec<Shape>,
    /// Switches per row
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub switches: usize,
    /// How often all proxies lose their connections at once and make new ones; a switch follows each time
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub reconnects: usize,
    /// Proxies that stop reading once the fleet is warm
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub slow: usize,
    /// How they stop reading
    #[arg(long, value_enum, default_value = "messages")]
    pub stall: Stall,
    /// HTTP/2 receive window of each proxy, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub window: u32,
    /// Extensions that each proxy's node names; a real Envoy names some 500
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub extensions: usize,
    /// Connections that may be in the making at the same time while the fleet starts
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub connecting: usize,
    /// Rest after the fleet is warm, before its memory is read
    #[arg(long, value_name = "DURATION", default_value = "3s")]
    pub settle: HumanDuration,
    /// How long a row waits for its proxies before it gives up
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub patience: HumanDuration,
    /// An ADS server that runs already; without it, a bluegreen is started
    #[arg(long, value_name = "IP:PORT")]
    pub server: Option<SocketAddr>,
    /// The process id of that server, to read its CPU time and memory
    #[arg(long, requires = "server")]
    pub pid: Option<u32>,
    /// node.cluster of the proxies
    #[arg(long, value_name = "NAME", default_value = crate::shape::FLEET)]
    pub fleet: String,
    /// What makes a switch: a shell command ($SWITCH counts), or a URL that is POSTed to
    #[arg(long, value_name = "COMMAND|URL", requires = "server")]
    pub trigger: Option<String>,
    /// The weights that all proxies must have after each switch, in turn: `blue=0,green=100;blue=100,green=0`
    #[arg(long, value_name = "WEIGHTS", value_delimiter = ';')]
    pub expect: Vec<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Output,
    /// Accepted because cargo passes it
    #[arg(long, hide = true)]
    pub bench: bool,
}

impl RunArgs {
    /// How long a row waits for its proxies.
    pub fn patience(&self) -> Duration {
        self.patience.0
    }
}

#[derive(ClapArgs, Clone)]
pub struct ServeArgs {
    /// The generated fleet
    #[arg(long, value_enum, default_value = "small")]
    pub shape: Shape,
    /// Where proxies connect, on 127.0.0.1; 0: a free port
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Where POST /switch is taken
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// A file for the server's process id
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Accepted because cargo passes it
    #[arg(long, hide = true)]
    pub bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
}
