//! gRPC on one HTTP/2 stream: messages in, messages out, and the status at the end.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Response, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::chunk::Chunk;

/// gRPC's prefix of a message.
const PREFIX: usize = 5;

/// A proxy that reconnects to delta ADS repeats everything that it has, seen with more than 20 MB.
const MAX_REQUEST: usize = 256 * 1024 * 1024;

/// The client is gone: nobody can be told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone")]
pub(in super::super) struct Gone;

/// Larger messages are few: they share what memory there is for them.
const LARGE: usize = 64 * 1024;

/// Memory for large messages on all streams together, in KiB: the largest one twice.
const LARGE_IN_ALL: usize = 2 * MAX_REQUEST / 1024;

/// What the large messages of all streams share.
#[derive(Clone)]
pub(in super::super) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_IN_ALL)))
    }
}

/// What the client says.
pub(in super::super) struct Requests {
    body: RecvStream,
    messages: Messages,
    budget: Budget,
    /// For the message that is coming, if it is a large one.
    share: Option<OwnedSemaphorePermit>,
}

impl Requests {
    pub(in super::super) fn new(body: RecvStream, budget: Budget) -> Self {
        Self {
            body,
            messages: Messages::default(),
            budget,
            share: None,
        }
    }

    /// The next message; `None` once the client has said all. Nothing is lost if it is asked again instead of waited for.
    pub(in super::super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Status>> {
        loop {
            if let Some(message) = self.messages.take()? {
                self.share = None;
                return Poll::Ready(Ok(Some(message)));
            }
            self.share()?;
            match ready!(self.body.poll_data(cx)) {
                Some(data) => {
                    let data = data.map_err(broken)?;
                    // At once: what is read is bounded by how often this is called.
                    let window = self.body.flow_control();
                    window.release_capacity(data.len()).map_err(broken)?;
                    self.messages.put(data);
                }
                None if self.messages.is_empty() => return Poll::Ready(Ok(None)),
                None => {
                    let what = "the stream ended in the middle of a message";
                    return Poll::Ready(Err(Status::internal(what)));
                }
            }
        }
    }

    /// Takes its share of the memory for large messages, once it is known that one comes.
    fn share(&mut self) -> Result<(), Status> {
        let length = self.messages.coming();
        if length <= LARGE || self.share.is_some() {
            return Ok(());
        }
        let permits = u32::try_from(length / 1024).unwrap_or(u32::MAX);
        let memory = self.budget.0.clone().try_acquire_many_owned(permits);
        self.share = Some(memory.map_err(|_| {
            Status::resource_exhausted("too many large requests at the same time: try again")
        })?);
        Ok(())
    }
}

/// Cuts messages out of the frames that they come in. Most come in one frame, and are not copied.
#[derive(Default)]
struct Messages {
    /// The rest of the last frame.
    frame: Bytes,
    /// A message that has come in part, with its prefix. Without memory of its own while there is none.
    partial: BytesMut,
}

impl Messages {
    /// Takes the next frame. All messages before it must have been taken.
    fn put(&mut self, frame: Bytes) {
        if self.partial.is_empty() {
            self.frame = frame;
        } else {
            self.partial.extend_from_slice(&frame);
        }
    }

    fn is_empty(&self) -> bool {
        self.partial.is_empty() && self.frame.is_empty()
    }

    /// The length of the message that has come in part; 0 if that is not known yet.
    fn coming(&self) -> usize {
        length(&self.partial).ok().flatten().unwrap_or_default()
    }

    /// The next message that is whole, without its prefix.
    fn take(&mut self) -> Result<Option<Bytes>, Status> {
        if !self.partial.is_empty() {
            match length(&self.partial)? {
                Some(length) if self.partial.len() >= length => {
                    self.frame = std::mem::take(&mut self.partial).freeze();
                }
                _ => return Ok(None),
            }
        }
        match length(&self.frame)? {
            Some(length) if self.frame.len() >= length => {
                let mut message = self.frame.split_to(length);
                message.advance(PREFIX);
                if self.frame.is_empty() {
                    // An empty slice would keep the buffer that it is a slice of.
                    self.frame = Bytes::new();
                }
                Ok(Some(message))
            }
            _ => {
                self.partial.extend_from_slice(&self.frame);
                self.frame = Bytes::new();
                Ok(None)
            }
        }
    }
}

/// The length of the message that begins here, with its prefix; `None` if not even that is there.
fn length(data: &[u8]) -> Result<Option<usize>, Status> {
    let Some((prefix, _)) = data.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        let what = "compressed messages are not read: send them without grpc-encoding";
        return Err(Status::unimplemented(what));
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_REQUEST {
        return Err(Status::resource_exhausted(format!(
            "a message of {length} bytes is more than the {MAX_REQUEST} that are read"
        )));
    }
    Ok(Some(PREFIX + length))
}

fn broken(error: h2::Error) -> Status {
    Status::unavailable(error.to_string())
}

/// What the client is told.
pub(in super::super) struct Replies {
    stream: SendStream<Chunk>,
    /// Messages for which the client has no room yet.
    waiting: VecDeque<Chunk>,
}

impl Replies {
    /// Begins the answer.
    pub(in super::super) fn begin(mut respond: SendResponse<Chunk>) -> Result<Self, Gone> {
        let stream = respond.send_response(answer(), false).map_err(|_| Gone)?;
        Ok(Self {
            stream,
            waiting: VecDeque::new(),
        })
    }

    /// Puts a message behind those that wait.
    pub(in super::super) fn push(&mut self, message: Chunk) {
        self.waiting.push_back(message);
    }

    /// Hands to HTTP/2 what the client has room for. Ready: nothing waits. HTTP/2 then keeps the rest of one message at most.
    pub(in super::super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        while let Some(next) = self.waiting.front() {
            if self.stream.capacity() == 0 {
                self.stream.reserve_capacity(next.remaining());
            }
            while self.stream.capacity() == 0 {
                match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(Err(Gone)),
                }
            }
            if let Some(message) = self.waiting.pop_front() {
                self.stream.send_data(message, false).map_err(|_| Gone)?;
            }
        }
        if self.waiting.capacity() > 0 {
            self.waiting = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the stream.
    pub(in super::super) fn end(mut self, status: &Status) {
        let mut trailers = HeaderMap::new();
        if status.add_header(&mut trailers).is_ok() {
            // The client may be gone; then nobody needs to know.
            let _ = self.stream.send_trailers(trailers);
        }
    }
}

/// The headers of every answer.
fn answer() -> Response<()> {
    let mut response = Response::new(());
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}

/// Refuses a request before anything was said.
pub(in super::super) fn refuse(mut respond: SendResponse<Chunk>, status: Status) {
    let response = status.into_http::<()>();
    // The client may be gone; then nobody needs to know.
    let _ = respond.send_response(response, true);
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    fn message(content: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u8(0);
        out.put_u32(content.len() as u32);
        out.put_slice(content);
        out
    }

    #[test]
    fn messages_are_cut_out_of_whatever_frames_they_come_in() {
        let contents = [&b"first"[..], b"", b"a second one", &[7; 300]];
        let mut wire = BytesMut::new();
        contents
            .iter()
            .for_each(|content| wire.put(message(content)));
        let wire = wire.freeze();
        for size in 1..=wire.len() {
            let mut messages = Messages::default();
            let mut read = Vec::new();
            for frame in wire.chunks(size) {
                messages.put(Bytes::copy_from_slice(frame));
                while let Some(message) = messages.take().unwrap() {
                    read.push(message);
                }
            }
            assert_eq!(read, contents, "in frames of {size}");
            assert!(messages.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_prefix() {
        let refused = |prefix: [u8; 5]| {
            let mut messages = Messages::default();
            messages.put(Bytes::copy_from_slice(&prefix));
            messages.take().unwrap_err().code()
        };
        assert_eq!(refused([1, 0, 0, 0, 9]), tonic::Code::Unimplemented);
        assert_eq!(refused([0, 255, 0, 0, 0]), tonic::Code::ResourceExhausted);
    }
}
