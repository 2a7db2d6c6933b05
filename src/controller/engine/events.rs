//! Tells whoever listens what releases do: CloudEvents by webhook, in order, signed, and again until they are taken.

use std::{fmt::Write, time::Duration};

use ring::hmac;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{http, signal::advance_for_sure};
use crate::{
    controller::handle::Handle,
    model::Name,
    release::{Effect, EffectKind, ServiceState, Signal, SignalKind},
};

/// What the events are: the only kind so far.
const KIND: &str = "io.bluegreen.release.phase";

/// The header with the signature: `sha256=` and the HMAC-SHA256 of the body in hexadecimal.
const SIGNATURE: &str = "x-bluegreen-signature";

/// A receiver that does not answer within this is tried again.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Before the second try; twice as long before each later one, up to [`LATEST`].
const SOON: Duration = Duration::from_millis(500);

/// The longest pause: a receiver that is back hears within a minute.
const LATEST: Duration = Duration::from_secs(60);

/// Sends all events of a service that are open, the oldest first. At least once: what was sent and is not noted yet when the
/// server dies is sent again, under the same id.
pub(super) async fn send(handle: Handle, service: Name) {
    let mut effects = Vec::new();
    let Some(state) = handle
        .head()
        .and_then(|head| head.state.services.get(&service).cloned())
    else {
        return;
    };
    for effect in &state.outbox {
        if let Some(event) = event(&handle, &state, effect) {
            deliver(&handle, &event).await;
            effects.push(effect.id);
        }
    }
    let signal = Signal {
        release: state.rollout.as_deref().map_or(0, |it| it.number),
        kind: SignalKind::Sent { effects },
    };
    advance_for_sure(&handle, &service, signal).await;
}

/// An effect as a CloudEvent (structured mode, version 1.0.2 of the specification).
fn event(handle: &Handle, state: &ServiceState, effect: &Effect) -> Option<Value> {
    let EffectKind::SendEvent { at, phase, reason } = &effect.kind else {
        return None;
    };
    let rollout = state.rollout.as_deref();
    let rollout = rollout.filter(|rollout| rollout.number == effect.release);
    let fleet = handle.name();
    Some(json!({
        "specversion": "1.0",
        "id": format!("{fleet}/{}/{}/{}", state.name, effect.release, effect.id),
        "source": format!("/bluegreen/fleets/{fleet}/services/{}", state.name),
        "type": KIND,
        "subject": format!("{}/{}", state.name, effect.release),
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "fleet": fleet,
            "service": state.name,
            "release": effect.release,
            "phase": phase,
            "reason": reason,
            "to": rollout.map(|rollout| &rollout.to),
            "from": rollout.and_then(|rollout| rollout.from.as_ref()),
        },
    }))
}

async fn deliver(handle: &Handle, event: &Value) {
    let release = &handle.0.shared.release;
    let Some(sink) = &release.events else {
        // Nobody listens any more: the server was started again without.
        return;
    };
    let body = event.to_string();
    let mut headers = vec![("content-type", "application/cloudevents+json".to_owned())];
    if let Some(secret) = &sink.secret {
        headers.push((SIGNATURE, signature(secret, body.as_bytes())));
    }
    let mut pause = SOON;
    loop {
        let post = http::post(
            release.client.as_ref(),
            &sink.url,
            &headers,
            body.clone(),
            TIMEOUT,
        );
        let why = match timeout(TIMEOUT, post).await {
            Ok(Ok(answer)) if answer.status.is_success() => return,
            Ok(Ok(answer)) => answer.status.to_string(),
            Ok(Err(error)) => error,
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(fleet = %handle.name(), "an event was not taken and is sent again: {why}");
        sleep(pause).await;
        pause = (2 * pause).min(LATEST);
    }
}

/// `sha256=HEX`.
fn signature(secret: &[u8], body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut text = "sha256=".to_owned();
    for byte in hmac::sign(&key, body).as_ref() {
        // proof: writing to a String does not fail, so there is nothing to report.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_rfc_4231() {
        // Test case 2 of the RFC.
        let text = signature(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            text,
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
