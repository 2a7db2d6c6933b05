//! The stored record of a release: changed by the loop and by the ends of analyses, one change at a time.

use std::sync::Arc;

use crate::{
    controller::{handle::Handle, sync::bump},
    model::Name,
    release::ReleaseRecord,
    store::StoreError,
};

/// Changes the record of a release, one change at a time. What changes nothing is not written.
pub(super) async fn update(
    handle: &Handle,
    service: &Name,
    number: u64,
    change: impl FnOnce(&mut ReleaseRecord) + Send,
) -> Result<(), StoreError> {
    let mut last = handle.0.records.lock().await;
    let (store, fleet) = (&handle.0.shared.store, handle.name());
    let is_it =
        |record: &ReleaseRecord| record.service == *service && record.rollout.number == number;
    let kept = match last.take().filter(|last| is_it(last)) {
        Some(last) => Some(last),
        None => store.release(fleet, service, number).await?,
    };
    let mut record = match &kept {
        Some(record) => ReleaseRecord::clone(record),
        None => {
            let head = handle.head();
            let state = head.and_then(|head| head.state.services.get(service).cloned());
            let rollout = state.and_then(|state| state.rollout.clone());
            let Some(rollout) = rollout.filter(|rollout| rollout.number == number) else {
                // Nobody will ask for the record of a service that is gone.
                return Ok(());
            };
            ReleaseRecord::new(fleet.clone(), service.clone(), *rollout)
        }
    };
    change(&mut record);
    if let Some(kept) = kept.filter(|kept| **kept == record) {
        *last = Some(kept);
        return Ok(());
    }
    record.updated_at = handle.0.shared.now();
    let record = Arc::new(record);
    store.save_release(record.clone()).await?;
    // Not before it is written: what a failed write leaves is read back.
    *last = Some(record);
    // No revision says that there is something to read.
    bump(&handle.0.ledger_changes);
    Ok(())
}
