//! The state machine under test: the table of roles and commands, the invariants, and the cases they don't show.

mod cases;
mod counting;
mod deciding;
mod gates_through;
mod generators;
mod going_back;
mod lifecycle;
mod lifecycle_properties;
mod lifecycle_table;
mod mirroring;
mod own_commands;
mod properties;
mod replacing;
mod restoring;
mod shifting;
mod skipping;
mod table;

use serde_json::json;

use super::{Context, Event, InUse, Refusal, ServiceState, Step, create, step};
use crate::model::{Colour, Endpoint, EnvironmentSpec, Environments, Name, Revision, ServiceSpec};

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(super) fn endpoints(texts: &[&str]) -> Vec<Endpoint> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(super) fn environment(version: &str, texts: &[&str]) -> EnvironmentSpec {
    EnvironmentSpec {
        version: version.to_owned(),
        endpoints: endpoints(texts),
    }
}

pub(super) fn spec(
    blue: Option<EnvironmentSpec>,
    green: Option<EnvironmentSpec>,
    live: Colour,
) -> ServiceSpec {
    let mut spec: ServiceSpec = serde_json::from_value(json!({ "fleet": "payments" })).unwrap();
    spec.environments = Environments { blue, green };
    spec.live = live;
    spec
}

/// The context of the revision of that number; `up.test` and `down.test` are the names that resolve.
pub(super) fn context(revision: u64) -> Context {
    let addresses = [
        ("up.test", vec!["10.1.0.1", "10.1.0.2"]),
        ("down.test", vec!["10.2.0.1"]),
    ];
    Context {
        revision: Revision(revision),
        addresses: addresses
            .into_iter()
            .map(|(host, ips)| {
                (
                    host.to_owned(),
                    ips.iter().map(|ip| ip.parse().unwrap()).collect(),
                )
            })
            .collect(),
        actor: "alice".to_owned(),
        ..Context::default()
    }
}

/// A service and its history: every event that changes something makes a revision.
pub(super) struct Story {
    pub(super) state: ServiceState,
    pub(super) revision: u64,
}

impl Story {
    /// `fraud-model`, created in revision 1.
    pub(super) fn new(spec: ServiceSpec) -> Self {
        let applied = serde_json::to_value(&spec).unwrap();
        let made = create(name("fraud-model"), applied, spec, &context(1)).unwrap();
        Self {
            state: made.state,
            revision: 1,
        }
    }

    /// v1.2 live in blue, nothing in green.
    pub(super) fn one() -> Self {
        let blue = environment("v1.2", &["10.0.0.1:80"]);
        Self::new(spec(Some(blue), None, Colour::Blue))
    }

    /// What the event would come to.
    pub(super) fn would(&self, event: &Event) -> Result<Step, Refusal> {
        step(&self.state, event, &context(self.revision + 1))
    }

    pub(super) fn tell(&mut self, event: &Event) -> Result<Step, Refusal> {
        let step = self.would(event)?;
        self.state = step.state.clone();
        self.revision += u64::from(step.changed);
        Ok(step)
    }

    /// The event happens, and is not refused.
    pub(super) fn then(mut self, event: Event) -> Self {
        self.tell(&event).unwrap();
        self
    }
}

pub(super) fn deploy(version: &str, texts: &[&str]) -> Event {
    Event::Deploy {
        version: version.to_owned(),
        endpoints: endpoints(texts),
        replace_standby: false,
    }
}

pub(super) fn scale(colour: Colour, texts: &[&str]) -> Event {
    Event::Scale {
        colour,
        endpoints: endpoints(texts),
        replace_standby: false,
        force: false,
    }
}

pub(super) fn switch(to: Option<Colour>) -> Event {
    Event::Switch {
        to,
        force: false,
        skip_gates: false,
    }
}

/// Nothing uses the standby any more.
pub(super) fn retire() -> Event {
    Event::Retire {
        force: false,
        in_use: InUse::default(),
    }
}

/// The document of `spec` is applied, nothing waived.
pub(super) fn apply(spec: ServiceSpec) -> Event {
    Event::Apply {
        applied: serde_json::to_value(&spec).unwrap(),
        spec,
        replace_standby: false,
        force: false,
    }
}

/// The same with `--replace-standby` and `--force`, where the command has them.
pub(super) fn insist(event: Event) -> Event {
    match event {
        Event::Apply { applied, spec, .. } => Event::Apply {
            applied,
            spec,
            replace_standby: true,
            force: true,
        },
        Event::Deploy {
            version, endpoints, ..
        } => Event::Deploy {
            version,
            endpoints,
            replace_standby: true,
        },
        Event::Scale {
            colour, endpoints, ..
        } => Event::Scale {
            colour,
            endpoints,
            replace_standby: true,
            force: true,
        },
        Event::Switch { to, .. } => Event::Switch {
            to,
            force: true,
            skip_gates: false,
        },
        Event::Retire { in_use, .. } => Event::Retire {
            force: true,
            in_use,
        },
        other => other,
    }
}
