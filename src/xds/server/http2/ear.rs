//! A connection that notes when something was read from it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether something was read since it was last asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<AtomicBool>);

impl Heard {
    /// Whether something was read since the last call.
    pub(super) fn take(&self) -> bool {
        // Only its connection's task writes and reads it.
        self.0.load(Relaxed) && self.0.swap(false, Relaxed)
    }
}

/// The connection, through which everything else goes as it is.
pub(super) struct Ear<T> {
    io: T,
    heard: Heard,
}

impl<T> Ear<T> {
    pub(super) fn new(io: T, heard: Heard) -> Self {
        Self { io, heard }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Ear<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, into))?;
        if into.filled().len() > before {
            self.heard.0.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Ear<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_read_is_heard_once_and_what_is_written_or_the_end_is_not() {
        let (mut client, server) = duplex(64);
        let heard = Heard::default();
        let mut ear = Ear::new(server, heard.clone());
        ear.write_all(b"hello").await.unwrap();
        assert!(!heard.take(), "only written");
        client.write_all(b"yes").await.unwrap();
        ear.read_exact(&mut [0; 3]).await.unwrap();
        assert!(heard.take());
        assert!(!heard.take(), "nothing since");
        drop(client);
        assert_eq!(ear.read(&mut [0; 3]).await.unwrap(), 0);
        assert!(!heard.take(), "the end says nothing");
    }
}
