//! The signals that end the server: the first asks it to, the second insists.

use std::{fs, io};

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for `SIGTERM` (an orchestrator), `SIGINT` (Ctrl-C) and `SIGHUP` (a terminal that was closed).
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// None: whoever started the server wants it to outlive its terminal.
    hangup: Option<Signal>,
}

impl Signals {
    /// From now on none of them kills the process by itself.
    pub(super) fn listen() -> io::Result<Self> {
        let hangup = (!outlives_its_terminal()).then(|| signal(SignalKind::hangup()));
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: hangup.transpose()?,
        })
    }

    /// The first: the server is to end.
    pub(super) async fn asked(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hangup => {}
        }
    }

    /// One more: it is to end at once. A terminal that is closed says so twice, by the shell and by the kernel, and insists
    /// on nothing.
    pub(super) async fn insisted(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// `nohup` has a process ignore `SIGHUP`, which ends once it listens for it. Where that can't be seen, nothing is changed.
fn outlives_its_terminal() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask & 1 << (Number::HUP.as_raw() - 1) != 0)
}
