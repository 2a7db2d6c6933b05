//! A bidirectional HTTP/2 stream that stays open, as a gRPC stream does: what is sent comes back, until it is ended.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use super::load::VERSION_HEADER;

/// An open stream to a [`Backend`](super::backend::Backend), through whatever is in between.
#[derive(Debug)]
pub struct Bidi {
    label: String,
    send: mpsc::Sender<Bytes>,
    body: Incoming,
}

impl Bidi {
    /// Opens one on a connection of its own.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn open(target: SocketAddr, path: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(target).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        let (mut sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(text)?;
        tokio::spawn(driver);
        let (send, frames) = mpsc::channel::<Bytes>(1);
        let frames = ReceiverStream::new(frames).map(|data| Ok::<_, Infallible>(Frame::data(data)));
        let request = Request::post(format!("http://{target}{path}"))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(StreamBody::new(frames))
            .map_err(text)?;
        let answer = sender.send_request(request).await.map_err(text)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("status {}", answer.status()));
        }
        let label = answer
            .headers()
            .get(VERSION_HEADER)
            .and_then(|label| label.to_str().ok())
            .ok_or("the answer has no label")?
            .to_owned();
        Ok(Self {
            label,
            send,
            body: answer.into_body(),
        })
    }

    /// Which backend has it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Sends `data` and waits until it has come back.
    ///
    /// # Errors
    /// If the stream broke or ended, or something else came back.
    pub async fn echo(&mut self, data: &[u8]) -> Result<(), String> {
        self.send
            .send(Bytes::copy_from_slice(data))
            .await
            .map_err(|_| "the stream is closed")?;
        let mut back = Vec::new();
        while back.len() < data.len() {
            let frame = self
                .body
                .frame()
                .await
                .ok_or("the stream ended")?
                .map_err(text)?;
            let frame = frame.into_data().map_err(|_| "trailers came too early")?;
            back.extend_from_slice(&frame);
        }
        if back == data {
            Ok(())
        } else {
            Err("other bytes came back".to_owned())
        }
    }

    /// Ends it, and waits for the trailer of a stream that ended well.
    ///
    /// # Errors
    /// If it does not end with `grpc-status: 0`.
    pub async fn finish(self) -> Result<(), String> {
        drop(self.send);
        let rest = self.body.collect().await.map_err(text)?;
        let status = rest
            .trailers()
            .and_then(|trailers| trailers.get("grpc-status"));
        match status {
            Some(status) if status == "0" => Ok(()),
            other => Err(format!("the stream ended with grpc-status {other:?}")),
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
