//! Tools that ask for the client status again and again, and read no answer.

use envoy_types::pb::envoy::service::status::v3::{
    ClientStatusRequest, client_status_discovery_service_client::ClientStatusDiscoveryServiceClient,
};

use crate::{
    plane::{FLEET, Plane},
    spoken::Mode,
    stalled::large,
    support::xds_client::{channel, node},
};
use bluegreen::model::TypeUrl;

/// Proxies with a large configuration: an answer tells of each.
const PROXIES: usize = 8;

/// Those who ask and do not read.
const ASKING: usize = 16;

/// Questions of each, on one stream.
const QUESTIONS: usize = 4;

/// MiB: one answer for each who asks, of some 18, and what it takes to make a few.
const MOST: u64 = 700;

#[tokio::test(flavor = "multi_thread")]
async fn line_34_who_asks_for_client_status_and_reads_nothing_has_one_answer_in_memory() {
    let mut plane = Plane::in_one_arena().await;
    plane.world.apply(&large(), &[]).await.ok();
    let mut proxies = Vec::new();
    for number in 0..PROXIES {
        let mut raw = Mode::Sotw.open(plane.world.xds).await;
        let node = node(&format!("large-{number}"), FLEET);
        raw.bytes(Mode::Sotw.ask(Some(node), TypeUrl::Cluster.url(), Vec::new()))
            .await;
        let clusters = Mode::Sotw.answer(&mut raw).await;
        raw.bytes(Mode::Sotw.accept(&clusters)).await;
        proxies.push(raw);
    }
    plane.goes_on().await;
    plane.settle();
    let mut unread = Vec::new();
    for _ in 0..ASKING {
        let mut csds = ClientStatusDiscoveryServiceClient::new(channel(plane.world.xds).await);
        let questions = std::iter::repeat_with(ClientStatusRequest::default).take(QUESTIONS);
        let questions = tokio_stream::iter(questions);
        let answers = csds.stream_client_status(questions).await;
        unread.push((csds, answers.expect("it is told").into_inner()));
    }
    // Meanwhile whoever reads is answered.
    let csds = ClientStatusDiscoveryServiceClient::new(channel(plane.world.xds).await);
    let mut csds = csds.max_decoding_message_size(64 << 20);
    for _ in 0..QUESTIONS {
        let answer = csds.fetch_client_status(ClientStatusRequest::default());
        let answer = answer.await.expect("an answer").into_inner();
        assert_eq!(answer.config.len(), PROXIES + 1);
        plane.goes_on().await;
    }
    drop((unread, csds, proxies));
    plane.recovers(MOST).await;
}
