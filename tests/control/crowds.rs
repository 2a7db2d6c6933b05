//! Many proxies that have not accepted: what is said of them again and again stays small, and nobody is lost in the end.

use bluegreen::api::{self, command_event::Event};

use super::calls::*;
use crate::support::server::{Client, LedgerProxy, Says, Server};

/// One more than are named while a delivery is on its way, and where all services are listed.
const PROXIES: usize = 101;

fn deaf(server: &Server) -> Vec<LedgerProxy> {
    let ids = (0..PROXIES).map(|number| format!("deaf-{number:03}"));
    ids.map(|id| LedgerProxy::saying(server, "payments", &id, Says::Nothing))
        .collect()
}

#[tokio::test]
async fn a_command_counts_them_on_the_way_and_names_them_at_its_end() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxies = deaf(&server);
    let short = with(|meta| meta.wait_ms = 20);
    let applied = apply_with(&mut client, &document("fraud-model", 10000), short).await;
    let on_the_way = applied.events.iter().filter_map(|event| match event {
        Event::Delivery(delivery) => Some((delivery.pending as usize, delivery.not_acked.len())),
        _ => None,
    });
    let on_the_way: Vec<_> = on_the_way.collect();
    assert_eq!(on_the_way, [(PROXIES, 0)]);
    let named = &applied.outcome().deliveries[0].not_acked;
    assert_eq!(named.len(), PROXIES);
    assert!(named.is_sorted_by(|one, next| one.proxy < next.proxy));
}

#[tokio::test]
async fn the_list_of_all_services_counts_them_and_that_of_one_names_them() {
    let server = Server::start().await;
    let mut client = server.client().await;
    apply(&mut client, &document("fraud-model", 10000)).await;
    apply(&mut client, &document("features", 10001)).await;
    let mut proxies = deaf(&server);
    let named = async |client: &mut Client, service: &str| {
        let request = api::GetStatusRequest {
            service: service.to_owned(),
        };
        let answer = client.get_status(request).await.unwrap().into_inner();
        let deliveries = answer.services.into_iter().flat_map(|it| it.delivery);
        deliveries
            .map(|it| (it.pending as usize, it.not_acked.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&mut client, "").await, [(PROXIES, 0); 2]);
    assert_eq!(named(&mut client, "features").await, [(PROXIES, PROXIES)]);
    if let Some(one) = proxies.pop() {
        one.disconnect();
    }
    let few = server.fleet("payments").ledger().forget("deaf-100");
    assert_eq!(few, Ok(()));
    assert_eq!(
        named(&mut client, "").await,
        [(PROXIES - 1, PROXIES - 1); 2]
    );
}
