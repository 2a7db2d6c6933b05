//! What the scripted server answers to commands.

use bluegreen::api::{
    self, CommandEvent, CommandMeta, Delivery, Durable, Outcome, ProxyDelivery, ResourceChange,
    command_event::Event, outcome::Result as Ended, proxy_delivery::State, resource_change::Kind,
};
use prost::Message;
use tonic::{Code, Status};

type Events = Vec<Result<CommandEvent, Status>>;

/// The answer to the `before`-th repetition of a command for a name.
pub fn command(
    name: &str,
    meta: &CommandMeta,
    before: usize,
    asked: &str,
) -> Result<Events, Status> {
    let done = outcome(
        Ended::Done,
        0,
        "fraud-model: switched from blue (v1.2) to green (v1.3) in revision 43",
    );
    Ok(match name {
        "gated" | "refused" | "relapsed" => vec![event(Event::Outcome(outcome(
            Ended::Done,
            0,
            "release 7 has begun",
        )))],
        "fraud-model" => whole(3, vec![], done),
        "nothing" => vec![event(Event::Outcome(Outcome {
            revisions: vec![],
            ..outcome(Ended::Unchanged, 0, "unchanged: everything is as declared")
        }))],
        "echo" => vec![event(Event::Outcome(outcome(Ended::Done, 0, asked)))],
        "away" => whole(
            1,
            vec![pending("envoy-2"), disconnected("envoy-3")],
            outcome(
                Ended::NotAllAcked,
                6,
                "fraud-model: switched to green (v1.3) in revision 43, but not every proxy has accepted it within 30s",
            ),
        ),
        "rejected" | "halted" => {
            let (result, code, end) = match name {
                "rejected" => (Ended::Reverted, 7, "taken back by revision 44"),
                _ => (Ended::Nacked, 8, "left in place"),
            };
            let message = format!("fraud-model: 1 proxy rejected revision 43, it was {end}");
            let mut ended = outcome(result, code, &message);
            ended.reverted_by = if name == "rejected" { 44 } else { 0 };
            whole(2, vec![nacked("envoy-3")], ended)
        }
        "superseded" => {
            let mut events = whole(3, vec![], done);
            if let Some(Ok(CommandEvent {
                event: Some(Event::Outcome(outcome)),
            })) = events.last_mut()
            {
                outcome.deliveries[0].superseded_by = 45;
            }
            events
        }
        "fleets" => two_fleets(),
        "removes" => planned(meta),
        "drifted" => {
            let notice = api::Notice {
                kind: "drift".into(),
                text: "Service fraud-model: spec.environments.blue.version says v1.2, in force is v1.4".into(),
            };
            let last = outcome(Ended::Unchanged, 0, "unchanged: everything is as declared");
            vec![
                event(Event::Notice(notice)),
                event(Event::Outcome(Outcome {
                    revisions: vec![],
                    ..last
                })),
            ]
        }
        "cut" => match before {
            // Nothing was heard, then only that it is durable.
            0 => return Err(Status::unavailable("the connection is gone")),
            1 => vec![event(Event::Durable(durable("payments")))],
            _ => whole(3, vec![], done),
        },
        "cut-plan" => match before {
            0 => return Err(Status::unavailable("the connection is gone")),
            _ => planned(meta),
        },
        "bare" => return Err(Status::internal("something that has no name")),
        reason => return Err(refusal(reason)),
    })
}

/// A refusal with the name, each with its own words.
pub fn refusal(reason: &str) -> Status {
    let (code, exit_code, message, remedy) = match reason {
        "fleet-lagging" => (
            Code::FailedPrecondition,
            21,
            "1 of 3 proxies has not accepted revision 42, which brought the endpoints of fraud-model/green: envoy-3",
            "wait for it (`bluegreen fleet payments`), or --allow-lagging 1",
        ),
        "services-would-vanish" => (
            Code::FailedPrecondition,
            35,
            "revision 7 had no service risk-model: it would vanish",
            "--yes when you mean it",
        ),
        "still-connected" => (
            Code::FailedPrecondition,
            2,
            "envoy-1 is connected: only a proxy that is away can be forgotten",
            "",
        ),
        other => return not_found(other),
    };
    status(code, exit_code, reason, message, remedy)
}

pub fn not_found(name: &str) -> Status {
    status(
        Code::NotFound,
        3,
        "not-found",
        &format!("there is no service {name}"),
        "`bluegreen get services` lists them",
    )
}

/// A fleet that only proxies have named.
pub fn undeclared(fleet: &str) -> Status {
    status(
        Code::FailedPrecondition,
        3,
        "not-found",
        &format!(
            "nothing was declared for fleet {fleet:?} yet: it has no revision, and 2 of its proxies wait for one"
        ),
        &format!(
            "apply a document with `fleet: {fleet}`, or correct the fleet's name in the proxies' nodes"
        ),
    )
}

fn status(code: Code, exit_code: u32, reason: &str, message: &str, remedy: &str) -> Status {
    let detail = api::ErrorDetail {
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
        exit_code,
    };
    Status::with_details(code, message, detail.encode_to_vec().into())
}

fn event(event: Event) -> Result<CommandEvent, Status> {
    Ok(CommandEvent { event: Some(event) })
}

/// A command that goes its whole way in fleet `payments`.
fn whole(acked: u32, not_acked: Vec<ProxyDelivery>, mut ended: Outcome) -> Events {
    let delivery = delivery("payments", acked, not_acked);
    ended.deliveries = vec![delivery.clone()];
    let plan = api::Plan {
        fleet: "payments".into(),
        from_revision: 42,
        changes: vec![change(Kind::Changed, "RouteConfiguration", "0.0.0.0:10000")],
    };
    vec![
        event(Event::Plan(plan)),
        event(Event::Durable(durable("payments"))),
        event(Event::Delivery(self::delivery("payments", 0, vec![]))),
        event(Event::Delivery(delivery)),
        event(Event::Outcome(ended)),
    ]
}

fn two_fleets() -> Events {
    let mut ended = outcome(Ended::Done, 0, "applied: 2 documents, 2 fleets");
    ended.service = String::new();
    ended.revisions = vec![
        durable("payments"),
        Durable {
            ms: 2.5,
            ..durable("search")
        },
    ];
    ended.deliveries = vec![
        delivery("payments", 3, vec![]),
        delivery("search", 0, vec![pending("edge-1")]),
    ];
    vec![
        event(Event::Durable(durable("payments"))),
        event(Event::Durable(durable("search"))),
        event(Event::Outcome(ended)),
    ]
}

fn planned(meta: &CommandMeta) -> Events {
    let mut gone = change(Kind::Removed, "Cluster", "extra");
    gone.diff = "--- extra\n+++ nothing\n@@ -1 +0,0 @@\n-name: extra\n".into();
    let plan = api::Plan {
        fleet: "payments".into(),
        from_revision: 42,
        changes: vec![change(Kind::Added, "Cluster", "risk-model/blue"), gone],
    };
    let ended = match meta.dry_run {
        true => Outcome {
            revisions: vec![],
            ..outcome(Ended::Planned, 0, "planned only, nothing was changed")
        },
        false => outcome(Ended::Done, 0, "applied in revision 43"),
    };
    vec![
        event(Event::Plan(plan)),
        event(Event::Outcome(Outcome {
            service: String::new(),
            ..ended
        })),
    ]
}

fn outcome(result: Ended, exit_code: u32, message: &str) -> Outcome {
    Outcome {
        result: result.into(),
        message: message.into(),
        exit_code,
        service: "fraud-model".into(),
        from: api::Colour::Blue.into(),
        to: api::Colour::Green.into(),
        from_version: "v1.2".into(),
        to_version: "v1.3".into(),
        revisions: vec![durable("payments")],
        deliveries: vec![],
        reverted_by: 0,
        operation_id: String::new(),
        moves: vec![],
    }
}

fn durable(fleet: &str) -> Durable {
    Durable {
        fleet: fleet.into(),
        revision: 43,
        ms: 0.912,
    }
}

pub fn delivery(fleet: &str, acked: u32, not_acked: Vec<ProxyDelivery>) -> Delivery {
    let count = |state: State| {
        not_acked
            .iter()
            .filter(|p| p.state == i32::from(state))
            .count() as u32
    };
    Delivery {
        fleet: fleet.into(),
        revision: 43,
        total: acked + not_acked.len() as u32,
        acked,
        pending: count(State::Pending),
        nacked: count(State::Nacked),
        disconnected: count(State::Disconnected),
        first_ack_ms: (acked > 0).then_some(3.1),
        last_ack_ms: (acked > 0).then_some(4.25),
        not_acked,
        superseded_by: 0,
    }
}

pub fn pending(proxy: &str) -> ProxyDelivery {
    ProxyDelivery {
        proxy: proxy.into(),
        state: State::Pending.into(),
        ..Default::default()
    }
}

pub fn disconnected(proxy: &str) -> ProxyDelivery {
    ProxyDelivery {
        proxy: proxy.into(),
        state: State::Disconnected.into(),
        since: "2026-11-23T09:58:00Z".into(),
        ..Default::default()
    }
}

pub fn nacked(proxy: &str) -> ProxyDelivery {
    ProxyDelivery {
        proxy: proxy.into(),
        state: State::Nacked.into(),
        r#type: "RouteConfiguration".into(),
        resources: vec!["0.0.0.0:10000".into()],
        error: "Only a single wildcard domain is permitted in route 0.0.0.0:10000".into(),
        ..Default::default()
    }
}

pub fn change(kind: Kind, of_type: &str, name: &str) -> ResourceChange {
    ResourceChange {
        kind: kind.into(),
        r#type: of_type.into(),
        name: name.into(),
        diff: String::new(),
    }
}
