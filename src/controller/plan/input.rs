//! From a fleet's state to what its snapshot is built from.

use std::sync::Arc;

use crate::{
    model::Colour,
    release::{FleetState, ServiceState},
    snapshot::{self, Input, ServiceInput},
};

/// The builder's input for `state`. Entries that `known` (a state and its input) has already are shared with it, so
/// that the builder sees at once what did not change.
pub(super) fn input(state: &FleetState, known: Option<(&FleetState, &Input)>) -> Input {
    let services = state.services.iter().map(|(name, service)| {
        let kept = known.and_then(|(old, input)| {
            let same = old
                .services
                .get(name)
                .is_some_and(|old| Arc::ptr_eq(old, service));
            input.services.get(name).filter(|_| same).cloned()
        });
        (name.clone(), kept.unwrap_or_else(|| of_service(service)))
    });
    let resources = state
        .resources
        .iter()
        .map(|(name, resources)| (name.clone(), resources.set.clone()));
    Input {
        services: services.collect(),
        resources: resources.collect(),
    }
}

fn of_service(service: &ServiceState) -> Arc<ServiceInput> {
    let addresses = |colour| {
        let deployment = service.environment(colour).deployment.as_ref();
        deployment.map_or_else(Vec::new, |deployment| deployment.addresses.clone())
    };
    let shifting = &service.shifting;
    let canary = service
        .spec
        .release
        .as_ref()
        .and_then(|release| release.canary.as_ref());
    Arc::new(ServiceInput {
        sticky: canary.and_then(|canary| canary.sticky.clone()),
        shadow: shifting.shadow.as_ref().map(|shadow| snapshot::Shadow {
            to: shadow.window.to,
            percent: shadow.percent,
            ended_by: shadow.window.ended_by,
            on_routes: !shadow.window.over,
        }),
        preview: shifting.preview.as_ref().map(|preview| snapshot::Preview {
            to: preview.window.to,
            header: preview.header.clone(),
            value: preview.value.clone(),
            ended_by: preview.window.ended_by,
            on_routes: !preview.window.over,
        }),
        ..ServiceInput::new(
            service.spec.clone(),
            addresses(Colour::Blue),
            addresses(Colour::Green),
            service.split(),
        )
    })
}
