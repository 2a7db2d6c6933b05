//! A release that waited for a push goes on as soon as somebody has seen that every proxy has accepted it.

use std::sync::Arc;

use tokio::time::{Duration, timeout};

use crate::{controller::handle::Handle, model::Revision, store::Head};

/// It goes on within milliseconds; where it waits for more than the push, it is not waited for.
const LONGEST: Duration = Duration::from_secs(1);

impl Handle {
    /// Every proxy has accepted the revision. Returns when the releases that waited for it have gone on: who sends the next
    /// command finds them there.
    pub async fn go_on(&self, revision: Revision) {
        let mut heads = self.heads();
        if !is_waited_for(&heads.borrow(), revision) {
            return;
        }
        self.0.proven.notify_one();
        let gone_on = heads.wait_for(|head| !is_waited_for(head, revision));
        let _ = timeout(LONGEST, gone_on).await;
    }
}

fn is_waited_for(head: &Option<Arc<Head>>, revision: Revision) -> bool {
    let mut services = head.iter().flat_map(|head| head.state.services.values());
    services.any(|service| {
        let rollout = service.rollout.as_deref();
        rollout.is_some_and(|it| it.pushed == Some(revision))
    })
}
