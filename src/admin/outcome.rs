//! How a command ended: one sentence for a person, one exit code for a script.

use super::{
    convert::Meta,
    follow::{End, How},
    views,
};
use crate::{
    api::{self, outcome::Result as Ended},
    controller::{self, Accepted, Handle},
    model::Name,
    release::Moved,
};

/// What the command line exits with when not every proxy accepted within `--wait`.
const EXIT_NOT_ALL_ACKED: u32 = 6;
/// … when the revision was rejected and taken back.
const EXIT_REVERTED: u32 = 7;
/// … when the revision was rejected and left in place.
const EXIT_NACKED: u32 = 8;

/// The revision of a command on one fleet.
pub(super) fn durable(accepted: &Accepted) -> api::Durable {
    api::Durable {
        fleet: accepted.fleet.to_string(),
        revision: accepted.revision.0,
        ms: accepted.durable_ms,
    }
}

/// Of a dry run.
pub(super) fn planned(meta: &Meta, done: &[(&Handle, Accepted)]) -> api::Outcome {
    let message = format!("dry run, nothing was changed: {}", sentence(done));
    outcome(meta, done, Ended::Planned, message, 0)
}

/// Of a command whose watching has ended.
pub(super) fn of(meta: &Meta, done: &[(&Handle, Accepted)], ends: Vec<End>) -> api::Outcome {
    let what = sentence(done);
    let reverted = ends.iter().find_map(|end| match end.how {
        How::Reverted(by) => Some(by),
        _ => None,
    });
    let left = ends.iter().find_map(|end| match &end.how {
        How::Left(why) => Some(why.clone()),
        _ => None,
    });
    let complete = ends.iter().all(|end| end.how == How::Complete);
    let unchanged = done
        .iter()
        .all(|(_, accepted)| accepted.ended == controller::Ended::Unchanged);
    let proxies = ends.iter().map(|end| end.delivery.total).sum::<u32>();
    let acked = ends.iter().map(|end| end.delivery.acked).sum::<u32>();
    let (ended, message, exit_code) = if let Some(by) = reverted {
        (
            Ended::Reverted,
            format!("{what}; rejected by the fleet and taken back by revision {by}"),
            EXIT_REVERTED,
        )
    } else if let Some(why) = left {
        (
            Ended::Nacked,
            format!(
                "{what}; rejected by {acked_not} of {proxies} proxies and left in place: {why}",
                acked_not = nacked(&ends)
            ),
            EXIT_NACKED,
        )
    } else if !complete && !meta.wait.is_zero() {
        (
            Ended::NotAllAcked,
            format!("{what}; durable, but accepted by {acked} of {proxies} proxies so far"),
            EXIT_NOT_ALL_ACKED,
        )
    } else if unchanged {
        (Ended::Unchanged, what, 0)
    } else if complete {
        (
            Ended::Done,
            format!("{what}; accepted by {acked} of {proxies} proxies"),
            0,
        )
    } else {
        (
            Ended::Done,
            format!("{what}; durable, accepted by {acked} of {proxies} proxies so far"),
            0,
        )
    };
    let mut outcome = outcome(meta, done, ended, message, exit_code);
    outcome.reverted_by = reverted.map_or(0, |by| by.0);
    outcome.deliveries = ends.into_iter().map(|end| end.delivery).collect();
    outcome
}

fn nacked(ends: &[End]) -> u32 {
    ends.iter().map(|end| end.delivery.nacked).sum()
}

fn outcome(
    meta: &Meta,
    done: &[(&Handle, Accepted)],
    ended: Ended,
    message: String,
    exit_code: u32,
) -> api::Outcome {
    let mut outcome = api::Outcome {
        result: ended.into(),
        message,
        exit_code,
        operation_id: meta.operation_id.clone(),
        ..Default::default()
    };
    if ended != Ended::Planned {
        outcome.revisions = done.iter().map(|(_, accepted)| durable(accepted)).collect();
    }
    if let Some((service, moved)) = one_moved(done) {
        outcome.service = service.to_string();
        outcome.from = views::colour(moved.from).into();
        outcome.to = views::colour(moved.to).into();
        outcome.from_version.clone_from(&moved.from_version);
        outcome.to_version.clone_from(&moved.to_version);
    } else if let Some(service) = done.iter().find_map(|(_, one)| one.service.as_ref()) {
        outcome.service = service.to_string();
    }
    outcome.moves = done
        .iter()
        .flat_map(|(_, accepted)| &accepted.moved)
        .map(|(service, moved)| api::Move {
            service: service.to_string(),
            from: views::colour(moved.from).into(),
            to: views::colour(moved.to).into(),
            from_version: moved.from_version.clone(),
            to_version: moved.to_version.clone(),
        })
        .collect();
    outcome
}

/// What moved, where it is one service's traffic.
fn one_moved<'a>(done: &'a [(&Handle, Accepted)]) -> Option<&'a (Name, Moved)> {
    let mut moved = done.iter().flat_map(|(_, one)| &one.moved);
    moved.next().filter(|_| moved.next().is_none())
}

fn sentence(done: &[(&Handle, Accepted)]) -> String {
    let sentences: Vec<&str> = done
        .iter()
        .map(|(_, accepted)| accepted.what.as_str())
        .filter(|what| !what.is_empty())
        .collect();
    if sentences.is_empty() {
        "nothing to change".to_owned()
    } else {
        sentences.join("; ")
    }
}
