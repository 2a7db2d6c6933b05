//! What goes wrong below HTTP is told apart, and a redirect takes no secret to another server.

use axum::{Router, http::HeaderMap as Headers, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::gates::testkit;

fn ask(url: String) -> Ask {
    Ask::new(Method::GET, url.parse().unwrap(), Duration::from_secs(30))
}

#[tokio::test]
async fn a_server_without_tls_is_no_https_server() {
    // It does not wait for a request that it could read.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let refusal = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        socket.write_all(refusal).await.unwrap();
        // Until the other side has gone: a reset would take the answer with it.
        let _ = socket.read_to_end(&mut Vec::new()).await;
    });
    let client = Client::new().unwrap();
    let error = client
        .ask(ask(format!("https://{plain}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, AskError::Tls(_)), "{error:?}");
    let refused = testkit::refused().await;
    let error = client
        .ask(ask(format!("https://{refused}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, AskError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn a_redirect_to_another_server_carries_no_token() {
    let told = |headers: Headers| async move {
        match headers.get("authorization") {
            Some(_) => "token",
            None => "none",
        }
    };
    let other = testkit::serve(Router::new().route("/", get(told))).await;
    let away = format!("http://{other}/");
    let router = Router::new()
        .route("/told", get(told))
        .route(
            "/same",
            get(|| async { (StatusCode::FOUND, [("location", "/told")]) }),
        )
        .route(
            "/away",
            get(move || async move { (StatusCode::FOUND, [("location", away)]) }),
        );
    let server = testkit::serve(router).await;
    let client = Client::new().unwrap();
    for (path, expected) in [("same", "token"), ("away", "none")] {
        let mut ask = ask(format!("http://{server}/{path}"));
        ask.follow_redirects = true;
        let secret = HeaderValue::from_static("Bearer secret");
        let answer = client
            .ask(ask.with_header(header::AUTHORIZATION, secret))
            .await
            .unwrap();
        assert_eq!(&answer.body[..], expected.as_bytes(), "{path}");
    }
}
