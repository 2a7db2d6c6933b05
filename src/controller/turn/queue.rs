//! The task that gives commands their turn, one after the other; rollbacks before all others.

use super::writer::Writer;
use crate::controller::{
    handle::{Handle, Turns},
    request::{Accepted, Ended},
};

/// Runs until the server goes down; `committed` hears of every revision, before whoever asked for it does. The turn that runs
/// then is finished; those that wait are told so.
pub(in crate::controller) async fn run(
    handle: Handle,
    mut turns: Turns,
    committed: impl Fn(&Handle, &Accepted) + Send,
) {
    let shared = handle.0.shared.clone();
    let mut writer = Writer::new(handle.clone());
    loop {
        let turn = tokio::select! {
            biased;
            () = shared.stopped() => return,
            turn = turns.next() => turn,
        };
        let Some(turn) = turn else { return };
        let result = writer.turn(&turn.request, &turn.prepared).await;
        if let Ok(accepted) = &result
            && accepted.ended == Ended::Committed
        {
            committed(&handle, accepted);
        }
        // Whoever asked may be gone: what is committed is committed.
        let _ = turn.reply.send(result);
    }
}
