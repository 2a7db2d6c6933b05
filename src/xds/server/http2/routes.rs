//! Services that tonic serves, on the same connections: those that are no hot path.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, Request};
use http_body::{Body as _, Frame};
use tonic::{service::Routes, transport::server::TcpConnectInfo};
use tower::ServiceExt as _;

use super::{Accepted, chunk::Chunk, messages::Gone};

/// What the client sends, as tonic reads it.
struct Incoming {
    stream: RecvStream,
    data_is_over: bool,
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_is_over {
            if let Some(data) = ready!(self.stream.poll_data(cx)) {
                let data = data?;
                self.stream.flow_control().release_capacity(data.len())?;
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.data_is_over = true;
        }
        let trailers = ready!(self.stream.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

/// Answers one request by the services of tonic.
pub(in super::super) async fn serve(routes: Routes, accepted: Accepted) {
    let Accepted {
        peer,
        mut request,
        respond,
        ..
    } = accepted;
    request.extensions_mut().insert(TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(peer),
    });
    let request = request.map(|stream| Incoming {
        stream,
        data_is_over: false,
    });
    // An error: the client is gone, and nobody needs to know.
    let _ = answer(routes, request, respond).await;
}

async fn answer(
    routes: Routes,
    request: Request<Incoming>,
    mut respond: SendResponse<Chunk>,
) -> Result<(), Gone> {
    let Ok(response) = routes.oneshot(request).await;
    let (head, body) = response.into_parts();
    let head = http::Response::from_parts(head, ());
    let over = body.is_end_stream();
    let mut stream = respond.send_response(head, over).map_err(|_| Gone)?;
    if over {
        return Ok(());
    }
    let mut body = pin!(body);
    loop {
        // What is behind the last one is made when that one is gone: a client that does not read has one answer in memory.
        room(&mut stream, 1).await?;
        let frame = tokio::select! {
            frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)) => frame,
            _ = std::future::poll_fn(|cx| stream.poll_reset(cx)) => return Err(Gone),
        };
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    room(&mut stream, data.len()).await?;
                    stream
                        .send_data(Chunk::raw(data), false)
                        .map_err(|_| Gone)?;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return stream.send_trailers(trailers).map_err(|_| Gone);
                }
            },
            // Tonic says errors in trailers: this one broke off.
            Some(Err(_)) => {
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Err(Gone);
            }
            None => return stream.send_trailers(HeaderMap::new()).map_err(|_| Gone),
        }
    }
}

/// Waits until the client has room for something.
async fn room(stream: &mut SendStream<Chunk>, length: usize) -> Result<(), Gone> {
    stream.reserve_capacity(length);
    while stream.capacity() == 0 && length > 0 {
        match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(Gone),
        }
    }
    Ok(())
}
