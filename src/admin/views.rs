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

/// So many proxies that have not accepted are named also where that is said again and again.
const NAMED_IN_BRIEF: usize = 100;

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

/// The same [in brief](brief).
pub(super) fn brief_of(handle: &Handle, head: &Head) -> api::Delivery {
    let progress = handle.progress(head);
    brief(handle.name(), &progress, Some(head.meta.arrived_at))
}

/// How far a fleet is with a revision; milliseconds count from `arrived_at`.
pub(super) fn delivery(
    fleet: &Name,
    progress: &Progress,
    arrived_at: Option<Timestamp>,
) -> api::Delivery {
    let missing = progress.proof.by_name();
    api::Delivery {
        not_acked: missing.into_iter().map(not_acked).collect(),
        ..numbers(fleet, progress, arrived_at)
    }
}

/// The same where it is said again and again, from ACK to ACK or service by service: of more than [`NAMED_IN_BRIEF`] only how many
/// they are. To list a large fleet each time takes longer than to push to it.
pub(super) fn brief(
    fleet: &Name,
    progress: &Progress,
    arrived_at: Option<Timestamp>,
) -> api::Delivery {
    match progress.proof.not_acked.len() <= NAMED_IN_BRIEF {
        true => delivery(fleet, progress, arrived_at),
        false => numbers(fleet, progress, arrived_at),
    }
}

fn numbers(fleet: &Name, progress: &Progress, arrived_at: Option<Timestamp>) -> api::Delivery {
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
        not_acked: Vec::new(),
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
        NotAckedState::Newer(revision) => {
            view.set_state(proxy_delivery::State::Newer);
            view.revision = revision.0;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fleet::Proof, model::Revision};

    /// A fleet of so many proxies, none of which has answered.
    fn silent(proxies: usize) -> Progress {
        let missing = (0..proxies).rev().map(|number| NotAcked {
            proxy: format!("edge-{number:03}").into(),
            state: NotAckedState::Pending,
        });
        let proof = Proof {
            revision: Revision(3),
            total: proxies as u32,
            pending: proxies as u32,
            not_acked: missing.collect(),
            ..Proof::default()
        };
        Progress {
            proof: proof.into(),
            superseded_by: None,
            verdict: None,
        }
    }

    #[test]
    fn proxies_are_named_in_order_and_in_brief_only_if_they_are_few() {
        let fleet: Name = "payments".parse().unwrap();
        let names = |delivery: api::Delivery| -> Vec<String> {
            let missing = delivery.not_acked.into_iter();
            missing.map(|one| one.proxy).collect()
        };
        for (proxies, listed) in [(3, 3), (NAMED_IN_BRIEF, NAMED_IN_BRIEF), (101, 0)] {
            let progress = silent(proxies);
            let in_brief = brief(&fleet, &progress, None);
            assert_eq!(in_brief.pending as usize, proxies);
            assert_eq!(names(in_brief).len(), listed);
            let all = names(delivery(&fleet, &progress, None));
            assert_eq!(all.len(), proxies);
            assert!(all.is_sorted());
        }
    }
}
