//! Random services and random schedules of what operators and the world do to them.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{apply, context, endpoints, name, spec};
use crate::{
    model::{Colour, EndedBy, Endpoint, EnvironmentSpec},
    release::{Context, Event, PREVIEW_HEADER, ServiceState, Temporary, create},
};

/// What an operator, or the world, does next. Documents are made when their turn comes, from what is in force.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Event(Box<Event>),
    Document {
        blue: Option<Option<EnvironmentSpec>>,
        green: Option<Option<EnvironmentSpec>>,
        insist: bool,
    },
}

/// A move, and what the host names resolve to when it is made.
pub(super) type Turn = (Move, Vec<(&'static str, Vec<u8>)>);

fn colours() -> impl Strategy<Value = Colour> {
    select(Colour::BOTH.to_vec())
}

fn hosts() -> impl Strategy<Value = Vec<Endpoint>> {
    vec(
        select(vec![
            "10.0.0.1:80",
            "10.0.0.2:80",
            "10.0.0.3:81",
            "a.test:80",
            "b.test:80",
        ]),
        0..4,
    )
    .prop_map(|texts| endpoints(&texts))
}

fn versions() -> impl Strategy<Value = String> {
    select(vec!["v1", "v2", "v3"]).prop_map(str::to_owned)
}

fn environments() -> impl Strategy<Value = EnvironmentSpec> {
    (versions(), hosts()).prop_map(|(version, endpoints)| EnvironmentSpec { version, endpoints })
}

fn told(event: Event) -> Move {
    Move::Event(Box::new(event))
}

fn shifts() -> impl Strategy<Value = Event> {
    let duration = std::time::Duration::from_secs(60);
    let ended_by = || select(vec![EndedBy::Proxies, EndedBy::Server]);
    prop_oneof![
        (0u32..=100, any::<bool>()).prop_map(|(weight, force)| Event::Shift { weight, force }),
        (0u32..=101, ended_by()).prop_map(move |(percent, ended_by)| Event::Shadow {
            percent,
            duration,
            ended_by,
        }),
        ended_by().prop_map(move |ended_by| Event::Preview {
            header: PREVIEW_HEADER.to_owned(),
            value: None,
            duration,
            ended_by,
        }),
        select(Temporary::ALL.to_vec()).prop_map(|what| Event::End {
            what,
            started_in: None,
        }),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    let deploy =
        (versions(), hosts(), any::<bool>()).prop_map(|(version, endpoints, replace_standby)| {
            Event::Deploy {
                version,
                endpoints,
                replace_standby,
            }
        });
    let scale = (colours(), hosts(), any::<bool>(), any::<bool>()).prop_map(
        |(colour, endpoints, replace_standby, force)| Event::Scale {
            colour,
            endpoints,
            replace_standby,
            force,
        },
    );
    let switch = (option::of(colours()), any::<bool>()).prop_map(|(to, force)| Event::Switch {
        to,
        force,
        skip_gates: false,
    });
    let document = (
        option::of(option::of(environments())),
        option::of(option::of(environments())),
        any::<bool>(),
    )
        .prop_map(|(blue, green, insist)| Move::Document {
            blue,
            green,
            insist,
        });
    prop_oneof![
        3 => deploy.prop_map(told),
        2 => scale.prop_map(told),
        4 => switch.prop_map(told),
        2 => shifts().prop_map(told),
        2 => Just(told(Event::Rollback)),
        1 => Just(told(super::retire())),
        1 => Just(told(Event::Resolved)),
        2 => document,
    ]
}

pub(super) fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let answers =
        ["a.test", "b.test"].map(|host| vec(0u8..3, 0..3).prop_map(move |ips| (host, ips)));
    let [a, b] = answers;
    vec((moves(), (a, b).prop_map(|(a, b)| vec![a, b])), 1..40)
}

pub(super) fn starts() -> impl Strategy<Value = ServiceState> {
    (
        option::of(environments()),
        option::of(environments()),
        colours(),
    )
        .prop_filter_map("refused", |(blue, green, live)| {
            let spec = spec(blue, green, live);
            create(name("s"), serde_json::Value::Null, spec, &answering(1, &[]))
                .ok()
                .map(|made| made.state)
        })
}

pub(super) fn answering(revision: u64, answers: &[(&'static str, Vec<u8>)]) -> Context {
    let mut context = context(revision);
    context.addresses = answers
        .iter()
        .map(|(host, ips)| {
            (
                (*host).to_owned(),
                ips.iter().map(|ip| [10, 9, 0, *ip].into()).collect(),
            )
        })
        .collect();
    context
}

pub(super) fn event(next: &Move, state: &ServiceState) -> Event {
    match next {
        Move::Event(event) => Event::clone(event),
        Move::Document {
            blue,
            green,
            insist,
        } => {
            let mut spec = state.in_force();
            for (colour, changed) in [(Colour::Blue, blue), (Colour::Green, green)] {
                if let Some(environment) = changed {
                    spec.environments.set(colour, environment.clone());
                }
            }
            if *insist {
                super::insist(apply(spec))
            } else {
                apply(spec)
            }
        }
    }
}
