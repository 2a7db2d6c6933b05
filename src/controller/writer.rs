//! The task that gives commands their turn, one after the other; rollbacks before all others.

use tokio::sync::mpsc;

use super::{
    Handle,
    turn::{Turn, Writer},
};

/// Runs until the server goes down. The turn that runs then is finished; those that wait are told so.
pub(super) async fn run(
    handle: Handle,
    mut urgent: mpsc::Receiver<Turn>,
    mut ordinary: mpsc::Receiver<Turn>,
) {
    let shared = handle.0.shared.clone();
    let mut writer = Writer::new(handle);
    loop {
        let turn = tokio::select! {
            biased;
            () = shared.stopped() => return,
            Some(turn) = urgent.recv() => turn,
            Some(turn) = ordinary.recv() => turn,
            else => return,
        };
        let result = writer.turn(&turn.request, &turn.prepared).await;
        // Whoever asked may be gone: what is committed is committed.
        let _ = turn.reply.send(result);
    }
}
