//! Commands that wait for their turn.

use tokio::sync::{mpsc, oneshot};

use super::lease::Lease;
use crate::controller::{
    plan::Prepared,
    request::{Accepted, CommandError, Request},
};

/// Commands that may wait for their turn. A turn takes milliseconds; whoever finds the queue full waits in his call.
const QUEUE: usize = 64;

/// A command whose turn is to come.
pub(in crate::controller) struct Turn {
    pub request: Request,
    pub prepared: Prepared,
    pub reply: oneshot::Sender<Result<Accepted, CommandError>>,
    /// The fleet must not be given up before the turn has ended, even if whoever asked is gone.
    pub _lease: Option<Lease>,
}

/// The way in.
pub(in crate::controller) struct Queue {
    /// Turns of rollbacks and reverts: taken before all others.
    urgent: mpsc::Sender<Turn>,
    ordinary: mpsc::Sender<Turn>,
}

/// The way out.
pub(in crate::controller) struct Turns {
    urgent: mpsc::Receiver<Turn>,
    ordinary: mpsc::Receiver<Turn>,
}

impl Queue {
    pub fn new() -> (Self, Turns) {
        let (urgent, urgent_turns) = mpsc::channel(QUEUE);
        let (ordinary, ordinary_turns) = mpsc::channel(QUEUE);
        let turns = Turns {
            urgent: urgent_turns,
            ordinary: ordinary_turns,
        };
        (Self { urgent, ordinary }, turns)
    }

    /// Gets in line.
    ///
    /// # Errors
    /// The server is going down.
    pub async fn enter(&self, turn: Turn) -> Result<(), CommandError> {
        let queue = if turn.request.command.is_urgent() {
            &self.urgent
        } else {
            &self.ordinary
        };
        queue.send(turn).await.map_err(|_| CommandError::Stopping)
    }
}

impl Turns {
    /// The next to have its turn; None: nobody can come any more.
    pub async fn next(&mut self) -> Option<Turn> {
        tokio::select! {
            biased;
            Some(turn) = self.urgent.recv() => Some(turn),
            Some(turn) = self.ordinary.recv() => Some(turn),
            else => None,
        }
    }
}
