//! From the messages of the admin API to what the controller takes, with every field checked.

use std::time::Duration;

use tonic::Status;

use super::errors::bad_input;
use crate::{
    api,
    model::{self, Colour, Endpoint, NackWish, Name, OnNack, Revision},
};

/// The longest text that a client may claim or say, in bytes: it is kept with every revision.
const MAX_TEXT: usize = 4096;
/// The most endpoints of one environment: more than any fleet of model servers, less than a slip of the keyboard.
const MAX_ENDPOINTS: usize = 10_000;
/// The longest that a command may be watched.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What every command carries, checked.
pub(super) struct Meta {
    pub operation_id: String,
    pub actor: String,
    pub message: String,
    pub dry_run: bool,
    pub wait: Duration,
    pub policy: NackWish,
    pub if_revision: Option<Revision>,
}

/// Checks what every command carries.
pub(super) fn meta(meta: Option<api::CommandMeta>) -> Result<Meta, Status> {
    let meta = meta.unwrap_or_default();
    for (what, text) in [
        ("operation_id", &meta.operation_id),
        ("actor", &meta.actor),
        ("message", &meta.message),
    ] {
        if text.len() > MAX_TEXT {
            return Err(bad_input(
                format!("{what} has more than {MAX_TEXT} bytes"),
                "say it shorter",
            ));
        }
    }
    let on_nack = match api::OnNack::try_from(meta.on_nack) {
        Ok(api::OnNack::Unspecified) => None,
        Ok(api::OnNack::Revert) => Some(OnNack::Revert),
        Ok(api::OnNack::Halt) => Some(OnNack::Halt),
        Err(_) => {
            return Err(bad_input(
                format!("on_nack {} is unknown", meta.on_nack),
                "use revert or halt",
            ));
        }
    };
    Ok(Meta {
        operation_id: if meta.operation_id.is_empty() {
            uuid::Uuid::now_v7().to_string()
        } else {
            meta.operation_id
        },
        actor: if meta.actor.is_empty() {
            "unknown".to_owned()
        } else {
            meta.actor
        },
        message: meta.message,
        dry_run: meta.dry_run,
        wait: Duration::from_millis(meta.wait_ms).min(MAX_WAIT),
        policy: NackWish {
            on_nack,
            max_nack: meta.max_nack,
        },
        if_revision: (meta.if_revision > 0).then_some(Revision(meta.if_revision)),
    })
}

/// A name of a service, fleet or document.
pub(super) fn name(what: &str, text: &str) -> Result<Name, Status> {
    Name::parse(text).map_err(|error| bad_input(format!("{what}: {error}"), "correct the name"))
}

/// A colour that may be left out.
pub(super) fn colour(number: i32) -> Result<Option<Colour>, Status> {
    match api::Colour::try_from(number) {
        Ok(api::Colour::Unspecified) => Ok(None),
        Ok(api::Colour::Blue) => Ok(Some(Colour::Blue)),
        Ok(api::Colour::Green) => Ok(Some(Colour::Green)),
        Err(_) => Err(bad_input(
            format!("colour {number} is unknown"),
            "use blue or green",
        )),
    }
}

/// A version's label.
pub(super) fn version(text: String) -> Result<String, Status> {
    match model::version_problem(&text) {
        None => Ok(text),
        Some(problem) => Err(bad_input(
            format!("the version {problem}"),
            "give the version a name, e.g. v1.3",
        )),
    }
}

/// Endpoints, each once.
pub(super) fn endpoints(texts: &[String]) -> Result<Vec<Endpoint>, Status> {
    if texts.len() > MAX_ENDPOINTS {
        return Err(bad_input(
            format!("{} endpoints are more than {MAX_ENDPOINTS}", texts.len()),
            "put a load balancer in front of them",
        ));
    }
    let parsed: Result<Vec<Endpoint>, _> = texts.iter().map(|text| text.parse()).collect();
    let endpoints = parsed.map_err(|error| bad_input(format!("{error}"), "write HOST:PORT"))?;
    match model::endpoints_problem(&endpoints) {
        None => Ok(endpoints),
        Some(problem) => Err(bad_input(problem, "give each endpoint once")),
    }
}
