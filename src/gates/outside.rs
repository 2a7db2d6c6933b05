//! Work on threads of its own that may never end: a name that no server resolves, a file on a disk that is away. Nobody can take
//! such a thread back, and commands need one too, to read the store: so only some of them can be kept.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    task::{Context, Poll},
    vec,
};

use futures::future::{BoxFuture, FutureExt as _};
use hyper_util::client::legacy::connect::dns::Name;
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};
use tower::Service;

/// Threads that one kind of such work may have at a time: an eighth of what there are (tokio's default), and far more than
/// names and files need that answer.
const PLACES: usize = 64;

/// One kind of such work.
pub(super) struct Lane(Semaphore);

/// Looking names up.
pub(super) static NAMES: Lane = Lane(Semaphore::const_new(PLACES));

/// Reading files.
pub(super) static FILES: Lane = Lane(Semaphore::const_new(PLACES));

impl Lane {
    /// Does it once there is a place. Who stops waiting leaves it to go on, in its place.
    pub async fn run<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        // There is always one sooner or later: no lane is ever closed.
        let place = self.0.acquire().await.ok();
        let task = spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        task.await
    }
}

/// The addresses of a name, as the system finds them.
pub(super) async fn look_up(host: String, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    let found = NAMES.run(move || (host.as_str(), port).to_socket_addrs());
    found.await.map_err(io::Error::other)?
}

/// [`look_up`] for connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names;

impl Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        // The connection has a port of its own.
        look_up(name.as_str().to_owned(), 0).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, path::PathBuf, process::Command, sync::Arc, time::Duration};

    use serde_json::Value;

    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        gates::{
            data::{DataError, load},
            jsonl::Row,
            testkit,
        },
        model::check::DataSource,
    };

    async fn read(folder: Arc<PathBuf>) -> Result<Vec<Row<Value>>, DataError> {
        let mut context = testkit::context(&[], &[]);
        context.files = Some(folder);
        let file = DataSource::File("data.jsonl".to_owned());
        load(&file, &context, Duration::from_secs(1)).await
    }

    /// A pipe into which nobody writes is a file on a disk that hangs.
    #[test]
    fn files_that_hang_leave_threads_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("data.jsonl");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(PLACES + 1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let folder = Arc::new(folder.path().to_owned());
            let mut reading: JoinSet<_> = (0..2 * PLACES).map(|_| read(folder.clone())).collect();
            while FILES.0.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(spawn_blocking(|| 1).await.unwrap(), 1);
            // Other tests read files, too: whoever waits goes, and then those who read come to an end.
            reading.shutdown().await;
            while FILES.0.available_permits() < PLACES {
                drop(File::options().read(true).write(true).open(&pipe).unwrap());
                tokio::task::yield_now().await;
            }
        });
    }

    #[tokio::test]
    async fn names_are_found_with_their_port() {
        let found = look_up("localhost".to_owned(), 80).await.unwrap();
        assert!(
            found
                .into_iter()
                .all(|it| it.ip().is_loopback() && it.port() == 80)
        );
    }
}
