//! Requests as they come in. Each has a buffer of its own, which is given back when it has been read: a proxy repeats its
//! node, be it megabytes, when it connects, and then says little for days.

use std::marker::PhantomData;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use prost::Message;
use tonic::{Status, body::Body};

/// A proxy that reconnects to delta ADS repeats everything that it has, seen with more than 20 MB; 4 MiB, the usual limit,
/// would lock it out for ever.
const MAX_REQUEST: usize = 256 * 1024 * 1024;

/// Before each message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const HEADER: usize = 5;

/// The bytes after a message that is longer are copied, so that its memory can go; those after a shorter one are left where
/// they are, so that a burst of small messages is not copied again and again.
const LARGE: usize = 16 * 1024;

/// The requests of one stream.
pub(super) struct Requests<Q> {
    body: Body,
    /// What has come of requests that are not whole yet.
    buffer: BytesMut,
    request: PhantomData<fn() -> Q>,
}

impl<Q: Message + Default> Requests<Q> {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            request: PhantomData,
        }
    }

    /// The next request; none at the end of the stream. Nothing is lost if it is not waited for to the end.
    ///
    /// # Errors
    /// With what is wrong with the request, or with the connection.
    pub(super) async fn message(&mut self) -> Result<Option<Q>, Status> {
        loop {
            if let Some(message) = self.whole()? {
                return Q::decode(message).map(Some).map_err(|error| {
                    Status::invalid_argument(format!("this is no request of xDS v3: {error}"))
                });
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        // It grows with what has come, never by what was announced.
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Status::internal("the stream ends within a request")),
            }
        }
    }

    /// Takes the first message off the buffer, if all of it is there.
    fn whole(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((header, rest)) = self.buffer.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [compressed, length @ ..] = *header;
        let length = u32::from_be_bytes(length) as usize;
        if compressed != 0 {
            return Err(Status::unimplemented("requests can't be compressed"));
        }
        if length > MAX_REQUEST {
            return Err(Status::out_of_range(format!(
                "a request of {length} bytes is longer than {MAX_REQUEST}, the longest that is read"
            )));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let mut message = self.buffer.split_to(HEADER + length).freeze();
        message.advance(HEADER);
        // What is left shares its memory with the message, and would keep all of it.
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        } else if message.len() > LARGE {
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    /// `google.protobuf.StringValue`, which stands for any request.
    type Text = String;

    /// A stream on which these pieces come one by one.
    fn requests(pieces: &[&[u8]]) -> Requests<Text> {
        let frames: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        Requests::new(Body::new(StreamBody::new(tokio_stream::iter(frames))))
    }

    fn framed(text: &str) -> Vec<u8> {
        let message = text.to_owned().encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], &message].concat()
    }

    async fn all(mut requests: Requests<Text>) -> Result<Vec<Text>, Status> {
        let mut all = Vec::new();
        while let Some(text) = requests.message().await? {
            all.push(text);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn messages_are_the_same_however_they_are_cut() {
        let bytes = [framed("one"), framed(""), framed(&"three".repeat(99))].concat();
        let expected = ["one".to_owned(), String::new(), "three".repeat(99)];
        for length in [1, 2, 3, 5, 7, 64, bytes.len()] {
            let pieces: Vec<&[u8]> = bytes.chunks(length).collect();
            assert_eq!(all(requests(&pieces)).await.unwrap(), expected, "{length}");
        }
    }

    #[tokio::test]
    async fn a_message_takes_its_memory_with_it() {
        let large = "x".repeat(1 << 20);
        let bytes = framed(&large);
        let mut requests = requests(&[&bytes[..1000], &bytes[1000..], &[0, 0]]);
        assert_eq!(requests.message().await.unwrap().as_deref(), Some(&*large));
        assert!(requests.buffer.capacity() < 1000);
    }

    #[tokio::test]
    async fn what_is_no_message_ends_the_stream_with_a_reason() {
        use tonic::Code;
        for (bytes, code) in [
            (&[0, 0, 0, 0, 2, 0xff, 0xff][..], Code::InvalidArgument),
            (&[1, 0, 0, 0, 0], Code::Unimplemented),
            (&[0, 0xff, 0xff, 0xff, 0xff], Code::OutOfRange),
            (&[0, 0, 0, 0, 9, 1], Code::Internal),
            (&[0, 0], Code::Internal),
        ] {
            let ended = all(requests(&[bytes])).await;
            assert_eq!(ended.unwrap_err().code(), code, "{bytes:?}");
        }
    }
}
