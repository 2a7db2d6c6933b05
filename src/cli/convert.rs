//! Between the admin API's enums and the words that people read and write.

use crate::{api, model::Colour};

/// The colour as the admin API has it.
pub(super) fn to_api(colour: Option<Colour>) -> i32 {
    match colour {
        None => api::Colour::Unspecified,
        Some(Colour::Blue) => api::Colour::Blue,
        Some(Colour::Green) => api::Colour::Green,
    }
    .into()
}

/// The word for a colour, if one is set.
pub(super) fn colour(value: i32) -> Option<&'static str> {
    match api::Colour::try_from(value) {
        Ok(api::Colour::Blue) => Some("blue"),
        Ok(api::Colour::Green) => Some("green"),
        _ => None,
    }
}

/// The word for a role.
pub(super) fn role(value: i32) -> &'static str {
    match api::Role::try_from(value) {
        Ok(api::Role::Live) => "live",
        Ok(api::Role::Standby) => "standby",
        Ok(api::Role::Staged) => "staged",
        Ok(api::Role::Empty) => "empty",
        _ => "unknown",
    }
}

/// The word for how a command ended.
pub(super) fn result(value: i32) -> &'static str {
    use api::outcome::Result;
    match Result::try_from(value) {
        Ok(Result::Unchanged) => "unchanged",
        Ok(Result::Done) => "done",
        Ok(Result::NotAllAcked) => "not-all-acked",
        Ok(Result::Reverted) => "reverted",
        Ok(Result::Nacked) => "nacked",
        Ok(Result::Planned) => "planned",
        _ => "unknown",
    }
}

/// The word for what keeps a proxy from having accepted.
pub(super) fn delivery_state(value: i32) -> &'static str {
    use api::proxy_delivery::State;
    match State::try_from(value) {
        Ok(State::Pending) => "pending",
        Ok(State::Disconnected) => "disconnected",
        Ok(State::Nacked) => "nacked",
        Ok(State::Newer) => "newer",
        _ => "unknown",
    }
}

/// The word for what happens to a resource.
pub(super) fn change_kind(value: i32) -> &'static str {
    use api::resource_change::Kind;
    match Kind::try_from(value) {
        Ok(Kind::Added) => "added",
        Ok(Kind::Changed) => "changed",
        Ok(Kind::Removed) => "removed",
        _ => "unknown",
    }
}

/// The word for how far a proxy is with one type.
pub(super) fn type_state(value: i32) -> &'static str {
    use api::type_status::State;
    match State::try_from(value) {
        Ok(State::Synced) => "synced",
        Ok(State::Stale) => "stale",
        Ok(State::Nacked) => "nacked",
        Ok(State::NotSent) => "not-sent",
        _ => "unknown",
    }
}
