//! Resources that live for a while.

use std::time::Duration;

use bluegreen::snapshot::{Changes, References, Resource};
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use prost::Message as _;

use super::*;

in_both_modes!(line_30_a_layer_has_its_time_to_live_with_it_and_is_said_again_in_time,);

async fn line_30_a_layer_has_its_time_to_live_with_it_and_is_said_again_in_time(mode: Mode) {
    /// Said again every third of it.
    const TTL: Duration = Duration::from_millis(300);
    let (fleets, _plane, mut client) = started(mode).await;
    let layer = Runtime {
        name: "bluegreen".to_owned(),
        layer: Some(Default::default()),
    };
    let resource = Resource::new(
        TypeUrl::Runtime,
        "bluegreen",
        layer.encode_to_vec().into(),
        References::default(),
    );
    let resource = Arc::new(resource.with_ttl(TTL));
    let change = |resource: Option<Arc<Resource>>| -> Changes {
        let layers = [("bluegreen".into(), resource)].into();
        [(TypeUrl::Runtime, layers)].into()
    };
    let newest = fleets.newest(FLEET);
    let living = newest.with(newest.revision.next(), change(Some(resource)));
    fleets.push(FLEET, living.clone());
    client.ask(TypeUrl::Runtime, &["bluegreen"]);
    let first = client.expect(TypeUrl::Runtime, &["bluegreen"]).await;
    assert_eq!(first.resources[0].ttl_ms, Some(300));
    assert_eq!(first.content("bluegreen"), layer.encode_to_vec());
    client.ack(TypeUrl::Runtime);
    for _ in 0..3 {
        let beat = client.expect(TypeUrl::Runtime, &["bluegreen"]).await;
        assert_eq!(beat.resources[0].ttl_ms, Some(300));
        // Only delta has a way to say it without the content.
        let content = match mode {
            Mode::Sotw => layer.encode_to_vec(),
            Mode::Delta => Vec::new(),
        };
        assert_eq!(beat.content("bluegreen"), content);
        client.ack(TypeUrl::Runtime);
    }
    accepted(&fleets, living.revision, &[CDS, RDS, TypeUrl::Runtime]).await;
    fleets.push(FLEET, living.with(living.revision.next(), change(None)));
    loop {
        let said = client.next().await.unwrap().expect("the stream ended");
        client.ack(TypeUrl::Runtime);
        let ended = match mode {
            Mode::Sotw => said.resources[0].ttl_ms.is_none(),
            Mode::Delta => said.removed == ["bluegreen"],
        };
        if ended {
            break;
        }
    }
    client.quiet().await;
}
