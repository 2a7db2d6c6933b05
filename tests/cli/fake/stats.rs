//! What the fake server says of the traffic of its one fleet.

use bluegreen::api;
use tonic::Status;

use super::answers;

pub fn get(request: &api::GetStatsRequest) -> Result<api::GetStatsResponse, Status> {
    let of_proxy = request.fleet.is_empty() && request.proxy == "envoy-1";
    if !of_proxy && request.fleet != "payments" {
        return Err(answers::not_found(&request.fleet));
    }
    let live = api::ClusterStats {
        requests: 100_000,
        successful: 99_999,
        errors: 1,
        dropped: 2,
        in_progress: 12,
        success_rate: Some(0.99999),
        metrics: vec![api::MetricStats {
            name: "named_metrics.fraud_score".into(),
            count: 4,
            sum: 3.0,
            mean: 0.75,
        }],
        ..cluster(api::Colour::Green, "v1.3", api::Role::Live)
    };
    let standby = api::ClusterStats {
        in_progress: 1,
        ..cluster(api::Colour::Blue, "v1.2", api::Role::Standby)
    };
    let proxy = api::ProxyStats {
        proxy: "envoy-1".into(),
        reporting: true,
        last_report: "2026-11-23T10:00:00.000Z".into(),
        clusters: vec![live.clone()],
    };
    let fleet = api::FleetStats {
        fleet: "payments".into(),
        clusters: match of_proxy {
            true => vec![],
            false => vec![standby, live],
        },
        proxies: vec![proxy],
        reporting: 1,
        connected: if of_proxy { 1 } else { 2 },
        ..Default::default()
    };
    Ok(api::GetStatsResponse {
        fleets: vec![fleet],
    })
}

fn cluster(colour: api::Colour, version: &str, role: api::Role) -> api::ClusterStats {
    let word = match colour {
        api::Colour::Green => "green",
        _ => "blue",
    };
    api::ClusterStats {
        cluster: format!("fraud-model/{word}"),
        service: "fraud-model".into(),
        environment: colour.into(),
        version: version.into(),
        role: role.into(),
        since: "2026-11-23T09:58:00.000Z".into(),
        last_report: "2026-11-23T10:00:00.000Z".into(),
        ..Default::default()
    }
}
