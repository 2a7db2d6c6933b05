//! One gRPC message on its way out: bytes that all streams share, between a few that are this stream's own.

use std::io::IoSlice;

use bytes::{Buf, Bytes};
use prost::encoding::{WireType, encode_key, encode_varint};

/// Length of gRPC's prefix: a flag that says "not compressed", and the length of the message.
const PREFIX: usize = 5;

/// The decimal digits of any u64.
const DIGITS: usize = 20;

/// A key, a length, and a nonce.
const TAIL: usize = 2 + DIGITS;

/// A message, as HTTP/2 takes it: nothing of the shared part is ever copied for a stream.
#[derive(Debug)]
pub(in super::super) struct Chunk {
    head: Own<PREFIX>,
    body: Bytes,
    tail: Own<TAIL>,
}

/// A few bytes in place, read from the front.
#[derive(Debug)]
struct Own<const N: usize> {
    bytes: [u8; N],
    from: u8,
    to: u8,
}

impl<const N: usize> Own<N> {
    fn rest(&self) -> &[u8] {
        &self.bytes[usize::from(self.from)..usize::from(self.to)]
    }

    /// Takes up to so many bytes off, and says how many are left to take elsewhere.
    fn skip(&mut self, count: usize) -> usize {
        let own = count.min(self.rest().len());
        self.from += own as u8;
        count - own
    }
}

impl Chunk {
    /// An encoded message to which a nonce is added. Protobuf reads fields in any order: it may come last.
    pub(in super::super) fn with_nonce(body: Bytes, field: u32, nonce: &str) -> Self {
        let mut tail = Own {
            bytes: [0; TAIL],
            from: 0,
            to: 0,
        };
        // A session numbers its nonces.
        let digits = &nonce[..nonce.len().min(DIGITS)];
        let mut rest = &mut tail.bytes[..];
        encode_key(field, WireType::LengthDelimited, &mut rest);
        encode_varint(digits.len() as u64, &mut rest);
        let used = TAIL - rest.len();
        tail.bytes[used..used + digits.len()].copy_from_slice(digits.as_bytes());
        tail.to = (used + digits.len()) as u8;
        let length = body.len() + tail.rest().len();
        Self {
            head: prefix(length),
            body,
            tail,
        }
    }

    /// Bytes as they are, which have their prefix already.
    pub(in super::super) fn raw(body: Bytes) -> Self {
        Self {
            head: Own {
                bytes: [0; PREFIX],
                from: 0,
                to: 0,
            },
            body,
            tail: Own {
                bytes: [0; TAIL],
                from: 0,
                to: 0,
            },
        }
    }
}

fn prefix(length: usize) -> Own<PREFIX> {
    let mut bytes = [0; PREFIX];
    // Four gigabytes are more than any configuration; what is larger is refused where it is applied.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    bytes[1..].copy_from_slice(&length.to_be_bytes());
    Own {
        bytes,
        from: 0,
        to: PREFIX as u8,
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.head.rest().len() + self.body.len() + self.tail.rest().len()
    }

    fn chunk(&self) -> &[u8] {
        let parts = [self.head.rest(), &self.body, self.tail.rest()];
        parts
            .into_iter()
            .find(|part| !part.is_empty())
            .unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let parts = [self.head.rest(), &self.body, self.tail.rest()];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let mut used = 0;
        for (slot, part) in into.iter_mut().zip(parts) {
            *slot = IoSlice::new(part);
            used += 1;
        }
        used
    }

    fn advance(&mut self, count: usize) {
        let count = self.head.skip(count);
        let of_body = count.min(self.body.len());
        self.body.advance(of_body);
        self.tail.skip(count - of_body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_prefix_the_body_and_the_nonce() {
        let mut chunk = Chunk::with_nonce(Bytes::from_static(b"body"), 5, &u64::MAX.to_string());
        let length = chunk.remaining();
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(chunk.chunks_vectored(&mut slices), 3);
        let whole = chunk.copy_to_bytes(length);
        assert!(!chunk.has_remaining());
        assert_eq!(whole[0], 0);
        assert_eq!(whole[1..5], ((length - 5) as u32).to_be_bytes());
        assert_eq!(&whole[5..9], b"body");
        assert_eq!(whole[9], 5 << 3 | 2);
        assert_eq!(whole[10], 20);
        assert_eq!(&whole[11..], u64::MAX.to_string().as_bytes());
    }

    #[test]
    fn it_can_be_taken_in_any_pieces() {
        let chunk = || Chunk::with_nonce(Bytes::from_static(b"a body"), 5, "7");
        let mut whole = chunk();
        let whole = whole.copy_to_bytes(whole.remaining());
        for step in 1..whole.len() {
            let mut chunk = chunk();
            let mut read = Vec::new();
            while chunk.has_remaining() {
                let count = step.min(chunk.chunk().len());
                read.extend_from_slice(&chunk.chunk()[..count]);
                chunk.advance(count);
            }
            assert_eq!(read, whole);
        }
    }
}
