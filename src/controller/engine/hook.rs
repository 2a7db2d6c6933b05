//! Calls a hook of a release: a webhook by POST, or a program where the server allows it. Its JSON says what is released; a JSON
//! answer may give endpoints.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    exec, http,
    tried::{Tried, late, shown},
};
use crate::{
    controller::handle::Handle,
    gates::client::Client,
    model::{Endpoint, Hook, HookKind},
    release::{Effect, ServiceState},
};

/// A hook that does not answer, or answers 5xx, is called so often before it counts as failed: a restart of what is behind it
/// must not fail a release.
const ATTEMPTS: u32 = 5;

/// Before the second call; twice as long before each later one.
const PAUSE: Duration = Duration::from_millis(500);

/// A hook to be called.
pub(super) struct Call {
    hook: Hook,
    kind: HookKind,
    body: Value,
    /// The same for every try, also after a crash: whoever is called can tell a repetition.
    id: String,
    allow_exec: bool,
    client: Option<Client>,
}

/// What came of it.
pub(super) struct Answer {
    pub yes: bool,
    pub detail: String,
    pub endpoints: Vec<Endpoint>,
}

/// What a hook may answer; everything else in it is ignored.
#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

impl Call {
    pub fn of(handle: &Handle, service: &ServiceState, effect: &Effect, kind: HookKind) -> Self {
        let rollout = service.rollout.as_deref();
        let spec = rollout.and_then(|rollout| rollout.spec.as_deref());
        let hook = spec.and_then(|spec| spec.hooks.get(kind)).cloned();
        let (fleet, of, number) = (handle.name(), &service.name, effect.release);
        // A service that moves to another fleet is deleted and declared again, and counts its releases anew.
        let id = format!("{fleet}/{of}/{number}/{}", effect.id);
        let side = |side: Option<&crate::release::Side>| {
            side.map(|side| {
                json!({
                    "environment": side.colour,
                    "version": side.version,
                    "deployment": side.deployment,
                })
            })
        };
        let body = json!({
            "id": id,
            "hook": kind.as_str(),
            "fleet": handle.name(),
            "service": service.name,
            "release": effect.release,
            "to": side(rollout.map(|rollout| &rollout.to)),
            "from": side(rollout.and_then(|rollout| rollout.from.as_ref())),
            "endpoints": rollout.map(|rollout| &rollout.subject),
            "by": rollout.map(|rollout| &rollout.by),
            "why": rollout.map(|rollout| &rollout.why),
        });
        Self {
            hook: hook.unwrap_or_default(),
            kind,
            body,
            id,
            allow_exec: handle.0.shared.release.allow_exec_hooks,
            client: handle.0.shared.release.client.clone(),
        }
    }

    /// Calls it, again where that may help.
    pub async fn run(self) -> Answer {
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.once().await {
                Tried::Yes(body) => return self.yes(&body),
                Tried::No(detail) => return no(detail),
                Tried::Failed(detail) if attempt >= ATTEMPTS => {
                    return no(format!("{detail}, {attempt} times"));
                }
                Tried::Failed(detail) => {
                    tracing::info!(hook = self.kind.as_str(), id = self.id, "again: {detail}");
                }
            }
            sleep(pause).await;
            pause *= 2;
        }
        no("it was not called".to_owned())
    }

    async fn once(&self) -> Tried {
        let limit = self.hook.time_limit();
        match (&self.hook.webhook, &self.hook.exec) {
            (Some(url), _) => match timeout(limit, self.post(url)).await {
                Ok(tried) => tried,
                Err(_) => late(limit),
            },
            (None, Some(command)) if self.allow_exec => {
                exec::run(command, self.body.to_string().into_bytes(), limit).await
            }
            (None, Some(_)) => Tried::No(
                "exec hooks are not allowed on this server: start it with --allow-exec-hooks"
                    .to_owned(),
            ),
            (None, None) => Tried::No("it is not declared any more".to_owned()),
        }
    }

    async fn post(&self, url: &str) -> Tried {
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("idempotency-key", self.id.clone()),
        ];
        let (body, limit) = (self.body.to_string(), self.hook.time_limit());
        match http::post(self.client.as_ref(), url, &headers, body, limit).await {
            Err(error) => Tried::Failed(error),
            Ok(answer) if answer.status.is_success() => Tried::Yes(answer.body),
            Ok(answer) => {
                let detail = format!("{}{}", answer.status, shown(&answer.body));
                if answer.status.is_server_error() || answer.status.as_u16() == 429 {
                    Tried::Failed(detail)
                } else {
                    Tried::No(detail)
                }
            }
        }
    }

    fn yes(&self, body: &[u8]) -> Answer {
        let said_something = body.iter().any(|byte| !byte.is_ascii_whitespace());
        // Only what makes an environment can say where it is; what else hooks answer is their own.
        if self.kind != HookKind::Provision || !said_something {
            return Answer {
                yes: true,
                detail: "it said yes".to_owned(),
                endpoints: Vec::new(),
            };
        }
        match serde_json::from_slice::<Body>(body) {
            Ok(body) => Answer {
                yes: true,
                detail: format!("it said yes, with {} endpoints", body.endpoints.len()),
                endpoints: body.endpoints,
            },
            // Words of its own. What would say where the version runs is not passed over for words before it.
            Err(_) if !names_endpoints(body) => Answer {
                yes: true,
                detail: "it said yes".to_owned(),
                endpoints: Vec::new(),
            },
            Err(error) => no(format!(
                "its answer is not {{\"endpoints\": [\"HOST:PORT\"]}} and nothing else: {error}"
            )),
        }
    }
}

/// It is meant as an answer that gives endpoints.
fn names_endpoints(body: &[u8]) -> bool {
    let key = br#""endpoints""#;
    body.trim_ascii_start().starts_with(b"{") || body.windows(key.len()).any(|part| part == key)
}

fn no(detail: String) -> Answer {
    Answer {
        yes: false,
        detail,
        endpoints: Vec::new(),
    }
}
