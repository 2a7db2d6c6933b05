//! gRPC by hand: a stream on which any bytes can be sent, and that is read only when a test says so.

use std::{convert::Infallible, net::SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// What the server may send beyond what was read, in bytes: HTTP/2's own default.
pub const WINDOW: u32 = 65_535;

/// An open stream. Dropped, its connection is cut.
pub struct Raw {
    send: mpsc::Sender<Bytes>,
    body: Incoming,
    /// What was read and is no whole message yet.
    partial: BytesMut,
    connection: JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Raw {
    /// Opens a stream on a connection of its own.
    pub async fn open(server: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(server).await.expect("a connection");
        let (mut sender, driver) = http2::Builder::new(TokioExecutor::new())
            // Small: what is not read stays with the server.
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .expect("HTTP/2");
        let connection = tokio::spawn(async move {
            // It ends with an error when the server cuts it, which is up to the server.
            let _ = driver.await;
        });
        let (send, frames) = mpsc::channel::<Bytes>(1);
        let frames = ReceiverStream::new(frames).map(|data| Ok::<_, Infallible>(Frame::data(data)));
        let request = Request::post(format!("http://{server}{path}"))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(StreamBody::new(frames))
            .expect("a request");
        let answer = sender.send_request(request).await.expect("headers");
        Self {
            send,
            body: answer.into_body(),
            partial: BytesMut::new(),
            connection,
        }
    }

    /// Sends these bytes. Whether the server still wants them is up to the server.
    pub async fn bytes(&self, bytes: Bytes) -> bool {
        self.send.send(bytes).await.is_ok()
    }

    /// Reads a little of what there is: a message may have begun.
    pub async fn begins(&mut self) {
        let frame = self.body.frame().await.expect("a frame").expect("a frame");
        self.partial
            .extend_from_slice(&frame.into_data().expect("data"));
    }

    /// Reads the next message.
    pub async fn next<M: Message + Default>(&mut self) -> M {
        loop {
            if let Some((head, rest)) = self.partial.split_first_chunk::<5>() {
                let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
                if rest.len() >= length {
                    let whole = self.partial.split_to(5 + length);
                    return M::decode(&whole[5..]).expect("a message");
                }
            }
            self.begins().await;
        }
    }

    /// The `grpc-status` with which the server ends the stream; what comes before is skipped.
    pub async fn status(&mut self) -> Option<String> {
        while let Some(frame) = self.body.frame().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    println!("no status: {error:?}");
                    return None;
                }
            };
            if let Ok(trailers) = frame.into_trailers() {
                let status = trailers.get("grpc-status")?.to_str().ok()?;
                return Some(status.to_owned());
            }
        }
        None
    }
}

/// A gRPC message without compression.
pub fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a short message");
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    frame.freeze()
}
