//! Who opens calls without end on one connection of the admin API, and says nothing on any of them.

use http::{Request, header};
use tokio::net::TcpStream;

use crate::{plane::Plane, support::waiting};

/// Calls that a client opens: in memory some hundred MiB, if they were all taken.
const CALLS: usize = 50_000;

/// Calls that may be open on a connection.
const MOST: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_end_on_one_admin_connection_find_no_room() {
    let plane = Plane::in_one_arena().await;
    let stream = TcpStream::connect(plane.world.admin).await;
    let mut http2 = h2::client::Builder::new();
    // Until it has read what the server allows.
    http2.initial_max_send_streams(CALLS);
    let (sender, driver) = http2
        .handshake::<_, bytes::Bytes>(stream.expect("a connection"))
        .await
        .expect("HTTP/2");
    let connection = tokio::spawn(driver);
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let mut sender = sender.clone();
        let request = Request::post("http://admin/bluegreen.admin.v1.Admin/WatchStatus")
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(())
            .expect("a request");
        // A call for which there is no room is held back here, or refused there.
        calls.extend(sender.send_request(request, false));
    }
    let most = async || sender.current_max_send_streams();
    waiting::until("the server says how many", most, |most| *most == MOST).await;
    drop(calls);
    connection.abort();
    plane.recovers(48).await;
}
