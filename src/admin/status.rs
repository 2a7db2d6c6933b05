//! Services as they are now, once or after every change.

use std::{sync::Arc, time::Duration};

use futures::Stream;
use tokio::{
    sync::{Semaphore, mpsc},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{background::in_background, convert, named, releases, views};
use crate::{
    api,
    controller::{Controllers, Handle, drift},
    model::{Colour, EndedBy},
    release::{Phase, ServiceState, Temporary},
    store::Head,
};

/// Between two answers of a watch: a person sees no more than that, and a fleet of thousands ACKs in one second.
const WATCH_PAUSE: Duration = Duration::from_millis(200);

/// Watches look one after the other: hundreds of them, in a night in which everybody watches, take one thread and no more.
static LOOKING: Semaphore = Semaphore::const_new(1);

/// Services by name, all or one.
pub(super) fn get(
    controllers: &Controllers,
    request: &api::GetStatusRequest,
) -> Result<api::GetStatusResponse, Status> {
    let fleets = if request.service.is_empty() {
        controllers.fleets()
    } else {
        let name = convert::name("service", &request.service)?;
        vec![named::service(controllers, name.as_str())?]
    };
    let mut services = Vec::new();
    let mut alarms = Vec::new();
    for handle in &fleets {
        alarms.extend(super::fleets::alarms(handle));
        let Some(head) = handle.head() else {
            continue;
        };
        let delivery = match request.service.is_empty() {
            // It stands with every service of the fleet.
            true => views::brief_of(handle, &head),
            false => views::delivery_of(handle, &head),
        };
        for service in head.state.services.values() {
            if request.service.is_empty() || service.name.as_str() == request.service {
                services.push(service_status(handle, service, &head, &delivery));
            }
        }
    }
    services.sort_by(|a, b| a.service.cmp(&b.service));
    Ok(api::GetStatusResponse { services, alarms })
}

/// The same after every change.
pub(super) fn watch(
    controllers: Arc<Controllers>,
    request: api::GetStatusRequest,
) -> Result<
    impl Stream<Item = Result<api::GetStatusResponse, Status>> + Send + 'static + use<>,
    Status,
> {
    // Before the first look: what changes during it must not be missed.
    let mut changes = controllers.changes();
    let first = get(&controllers, &request)?;
    // One on its way: a client that reads slowly sees the newest next, not all in between.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut sent = first.clone();
        if sender.send(Ok(first)).await.is_err() {
            return;
        }
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
                () = controllers.closed() => return,
            }
            sleep(WATCH_PAUSE).await;
            changes.borrow_and_update();
            let answer = look(&controllers, &request).await;
            match &answer {
                Ok(same) if *same == sent => continue,
                Ok(answer) => sent = answer.clone(),
                // The service was deleted.
                Err(_) => {}
            }
            let ends = answer.is_err();
            if sender.send(answer).await.is_err() || ends {
                return;
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// [`get`], when it is its turn, off the threads that serve proxies and carry out commands.
async fn look(
    controllers: &Arc<Controllers>,
    request: &api::GetStatusRequest,
) -> Result<api::GetStatusResponse, Status> {
    let _turn = LOOKING.acquire().await;
    let (controllers, request) = (controllers.clone(), request.clone());
    in_background(move || get(&controllers, &request))
        .await
        .flatten()
}

fn service_status(
    handle: &Handle,
    service: &ServiceState,
    head: &Head,
    delivery: &api::Delivery,
) -> api::ServiceStatus {
    api::ServiceStatus {
        service: service.name.to_string(),
        fleet: head.meta.fleet.to_string(),
        live: views::colour(service.live).into(),
        revision: head.meta.revision.0,
        blue: Some(environment(service, Colour::Blue)),
        green: Some(environment(service, Colour::Green)),
        delivery: Some(delivery.clone()),
        drift: drift(service),
        release: release(handle, service),
        temporary: Temporary::ALL
            .into_iter()
            .filter_map(|what| temporary(service, what))
            .collect(),
    }
}

/// Where the newest release stands. One that was made before releases had phases of their own has the three it had then.
fn release(handle: &Handle, service: &ServiceState) -> Option<api::ReleaseStatus> {
    if let Some(rollout) = service.rollout.as_deref() {
        return Some(releases::now(handle, service, rollout));
    }
    service.release.as_ref().map(|release| api::ReleaseStatus {
        number: release.number,
        from_version: release.from_version.clone(),
        to_version: release.to_version.clone(),
        phase: match release.phase {
            Phase::Switched => "Switched",
            Phase::RolledBack => "RolledBack",
            Phase::Completed => "Completed",
        }
        .to_owned(),
        revision: release.rolled_back_in.unwrap_or(release.switched_in).0,
        at: views::time(release.switched_at),
        over: release.phase != Phase::Switched,
        ..Default::default()
    })
}

/// A mirror or a preview that is on the routes.
fn temporary(service: &ServiceState, what: Temporary) -> Option<api::TemporaryStatus> {
    let shifting = &service.shifting;
    let window = shifting.window(what).filter(|window| !window.over)?;
    let mut status = api::TemporaryStatus {
        kind: what.as_str().to_owned(),
        to: views::colour(window.to).into(),
        since: views::time(window.since),
        until: views::time(window.until),
        ended_by_proxies: window.ended_by == EndedBy::Proxies,
        ..Default::default()
    };
    match (what, &shifting.shadow, &shifting.preview) {
        (Temporary::Shadow, Some(shadow), _) => status.percent = shadow.percent,
        (Temporary::Preview, _, Some(preview)) => {
            status.header.clone_from(&preview.header);
            status.value.clone_from(&preview.value);
        }
        _ => {}
    }
    Some(status)
}

fn environment(service: &ServiceState, colour: Colour) -> api::EnvironmentStatus {
    let environment = service.environment(colour);
    let mut status = api::EnvironmentStatus {
        role: views::role(environment.role).into(),
        rolled_back: environment.rolled_back,
        weight: service.split().weight(colour),
        ..Default::default()
    };
    if let Some(deployment) = &environment.deployment {
        status.version.clone_from(&deployment.version);
        status.deployment = deployment.number;
        status.endpoints = deployment
            .endpoints
            .iter()
            .map(ToString::to_string)
            .collect();
        status.addresses = deployment
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
    }
    status
}
