//! From what the server knows to the messages of the admin API.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{self, proxy_delivery, resource_change, type_status},
    controller::{Handle, Plan, Progress},
    fleet::{NotAcked, NotAckedState, ProxyView, TypeState, TypeView, software_warning},
    model::{Colour, Name},
    release::Role,
    snapshot::{Change, ChangeKind, change_text},
    store::Head,
};

pub(super) fn colour(colour: Colour) -> api::Colour {
    match colour {
        Colour::Blue => api::Colour::Blue,
        Colour::Green => api::Colour::Green,
    }
}

pub(super) fn role(role: Role) -> api::Role {
    match role {
        Role::Live => api::Role::Live,
        Role::Standby => api::Role::Standby,
        Role::Staged => api::Role::Staged,
        Role::Empty => api::Role::Empty,
    }
}

/// RFC 3339, UTC, with milliseconds.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Milliseconds from `from` to `to`; 0 where the clock was set back in between.
pub(super) fn ms(from: Timestamp, to: Timestamp) -> f64 {
    let passed = to.duration_since(from);
    Duration::try_from(passed).map_or(0.0, |passed| passed.as_secs_f64() * 1000.0)
}

/// How far the fleet is with its newest revision.
pub(super) fn delivery_of(handle: &Handle, head: &Head) -> api::Delivery {
    let progress = handle.progress(head);
    delivery(handle.name(), &progress, Some(head.meta.arrived_at))
}

/// How far a fleet is with a revision; milliseconds count from `arrived_at`.
pub(super) fn delivery(
    fleet: &Name,
    progress: &Progress,
    arrived_at: Option<Timestamp>,
) -> api::Delivery {
    let proof = &progress.proof;
    let since = |at: Option<Timestamp>| Some(ms(arrived_at?, at?));
    api::Delivery {
        fleet: fleet.to_string(),
        revision: proof.revision.0,
        total: proof.total,
        acked: proof.acked,
        pending: proof.pending,
        nacked: proof.nacked,
        disconnected: proof.disconnected,
        first_ack_ms: since(proof.first_ack),
        last_ack_ms: since(proof.last_ack),
        not_acked: proof.not_acked.iter().map(not_acked).collect(),
        superseded_by: progress.superseded_by.map_or(0, |revision| revision.0),
    }
}

fn not_acked(one: &NotAcked) -> api::ProxyDelivery {
    let mut view = api::ProxyDelivery {
        proxy: one.proxy.to_string(),
        ..Default::default()
    };
    match &one.state {
        NotAckedState::Pending => view.set_state(proxy_delivery::State::Pending),
        NotAckedState::Disconnected(since) => {
            view.set_state(proxy_delivery::State::Disconnected);
            view.since = time(*since);
        }
        NotAckedState::Nacked {
            type_url,
            resources,
            message,
            ..
        } => {
            view.set_state(proxy_delivery::State::Nacked);
            view.r#type = type_url.short().to_owned();
            view.resources.clone_from(resources);
            view.error.clone_from(message);
        }
    }
    view
}

/// A plan; with the text of what differs where that was asked for.
pub(super) fn plan(fleet: &Name, plan: &Plan, texts: bool) -> api::Plan {
    api::Plan {
        fleet: fleet.to_string(),
        from_revision: plan.from.0,
        changes: plan
            .changes
            .iter()
            .map(|one| change(one, plan, texts))
            .collect(),
    }
}

fn change(change: &Change, plan: &Plan, texts: bool) -> api::ResourceChange {
    let kind = match change.kind {
        ChangeKind::Added => resource_change::Kind::Added,
        ChangeKind::Changed => resource_change::Kind::Changed,
        ChangeKind::Removed => resource_change::Kind::Removed,
    };
    let diff = if texts {
        change_text(change, &plan.old, &plan.new)
    } else {
        String::new()
    };
    api::ResourceChange {
        kind: kind.into(),
        r#type: change.type_url.short().to_owned(),
        name: change.name.to_string(),
        diff,
    }
}

/// One proxy of a roster.
pub(super) fn proxy(view: &ProxyView) -> api::ProxyStatus {
    api::ProxyStatus {
        proxy: view.info.id.to_string(),
        address: view.info.address.to_string(),
        connected: view.connected,
        since: time(view.since),
        software: view.info.software.to_string(),
        duplicate: view.duplicate,
        types: view.types.iter().map(of_type).collect(),
        warnings: software_warning(&view.info.software).into_iter().collect(),
    }
}

fn of_type(view: &TypeView) -> api::TypeStatus {
    let state = match view.state {
        TypeState::Synced => type_status::State::Synced,
        TypeState::Stale => type_status::State::Stale,
        TypeState::Nacked => type_status::State::Nacked,
        TypeState::NotSent => type_status::State::NotSent,
    };
    let (resources, error) = view.error.clone().unwrap_or_default();
    api::TypeStatus {
        r#type: view.type_url.short().to_owned(),
        state: state.into(),
        revision: view.accepted.0,
        error,
        resources,
        held_for: view.held_for.iter().map(ToString::to_string).collect(),
    }
}
