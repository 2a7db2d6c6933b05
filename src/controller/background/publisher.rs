//! From the store's head to what proxies are served. Whatever moved the head, this is the only way out.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    controller::{handle::Handle, sync::bump},
    snapshot::Snapshot,
};

/// Follows the head of one fleet until the server goes down.
pub(in crate::controller) async fn run(
    handle: Handle,
    published: watch::Sender<Option<Arc<Snapshot>>>,
) {
    let mut heads = handle.heads();
    loop {
        let head = heads.borrow_and_update().clone();
        if let Some(head) = head {
            let newer = published
                .borrow()
                .as_ref()
                .is_none_or(|snapshot| snapshot.revision < head.snapshot.revision);
            if newer {
                published.send_replace(Some(head.snapshot.clone()));
                bump(&handle.0.shared.changes);
            }
        }
        tokio::select! {
            changed = heads.changed() => if changed.is_err() { return },
            () = handle.0.shared.stopped() => return,
        }
    }
}
