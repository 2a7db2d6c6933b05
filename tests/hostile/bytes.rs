//! What is no xDS, no gRPC, no HTTP.

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    plane::Plane,
    spoken::SOTW,
    wire::{Raw, framed},
};

/// Connections with garbage on them.
const GARBAGE: usize = 300;

/// Streams that announce a large message and send none of it.
const ANNOUNCED: usize = 200;

/// Bytes that look random and are the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let bytes = std::iter::repeat_with(|| {
        // Knuth's multiplier; the high bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    bytes.take(length).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_socket_is_nobodys_trouble() {
    /// The preface of HTTP/2, and an empty SETTINGS frame.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let plane = Plane::start().await;
    for number in 0..GARBAGE {
        let mut stream = TcpStream::connect(plane.world.xds)
            .await
            .expect("a connection");
        let noise = noise(number as u64, 1 + number * 37);
        let start: &[u8] = match number % 3 {
            0 => b"",
            1 => PREFACE,
            _ => b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        };
        // The server may cut it while it is written to.
        let _ = stream.write_all(&[start, &noise].concat()).await;
        if number % 2 == 0 {
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        }
    }
    plane.recovers(32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_a_message_ends_that_stream_with_a_reason() {
    let plane = Plane::start().await;
    for (number, (bytes, status)) in [
        // No message of protobuf: INVALID_ARGUMENT.
        (framed(&[0xff; 64]), "3"),
        (framed(&[0x0a, 0x05, b'x']), "3"),
        // Compressed, which nobody has agreed to; a flag that is none: INTERNAL, or UNIMPLEMENTED.
        (Bytes::from_static(&[1, 0, 0, 0, 1, 0]), "12 13"),
        (Bytes::from_static(&[9, 0, 0, 0, 1, 0]), "12 13"),
        // 4 GiB are announced: OUT_OF_RANGE, or RESOURCE_EXHAUSTED.
        (Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]), "8 11"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut raw = Raw::open(plane.world.xds, SOTW).await;
        raw.bytes(bytes).await;
        let ended = raw.status().await.expect("a status");
        assert!(
            status.split(' ').any(|status| status == ended),
            "{number}: {ended}"
        );
    }
    for seed in 0..200 {
        let mut raw = Raw::open(plane.world.xds, SOTW).await;
        raw.bytes(framed(&noise(seed, 200))).await;
        // Some noise is a message; without a node it is refused all the same.
        assert_eq!(raw.status().await.as_deref(), Some("3"));
    }
    plane.recovers(32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_without_a_message_costs_nothing() {
    let plane = Plane::start().await;
    let mut streams = Vec::new();
    for _ in 0..ANNOUNCED {
        let raw = Raw::open(plane.world.xds, SOTW).await;
        // 200 MB, which may be true, and a few bytes of them.
        let mut frame = vec![0];
        frame.extend_from_slice(&200_000_000_u32.to_be_bytes());
        frame.extend_from_slice(&[0x0a; 100]);
        raw.bytes(frame.into()).await;
        streams.push(raw);
    }
    plane.goes_on().await;
    drop(streams);
    plane.recovers(64).await;
}
