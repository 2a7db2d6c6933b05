//! A client on one kept-alive connection: one request after the other, each with headers of its own.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::load::VERSION_HEADER;

/// An open connection.
pub struct Asker {
    target: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

impl Asker {
    /// Connects.
    pub async fn connect(target: SocketAddr) -> Self {
        let stream = TcpStream::connect(target).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        // It ends with the sender.
        tokio::spawn(connection);
        Self { target, sender }
    }

    /// Who answered: the version that the answer carries. Anything but a 200 is a failure of the test.
    pub async fn ask(&mut self, headers: &[(&str, &str)]) -> String {
        let mut request = Request::get("/score").header(header::HOST, self.target.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).expect("a request");
        self.sender.ready().await.expect("an open connection");
        let response = self.sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let version = response.headers().get(VERSION_HEADER).cloned();
        response
            .into_body()
            .collect()
            .await
            .expect("a whole answer");
        let version = version.expect("an answer of a backend");
        version.to_str().expect("text").to_owned()
    }

    /// How many of `count` requests `label` answered.
    pub async fn count(&mut self, label: &str, count: usize) -> usize {
        let mut of_label = 0;
        for _ in 0..count {
            of_label += usize::from(self.ask(&[]).await == label);
        }
        of_label
    }
}
