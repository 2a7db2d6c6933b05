//! Work that would keep the threads that serve proxies.

use tonic::Status;

use super::errors::internal;

/// Runs `work` off the threads that serve: reading or showing thousands of documents or resources takes a while, in
/// which such a thread would serve no proxy.
pub(super) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| internal(format!("the request could not be worked on: {error}")))
}
