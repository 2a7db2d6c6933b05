//! Refusals and failures as gRPC errors, with an `ErrorDetail` for programs.

use prost::Message;
use tonic::{Code, Status};

use crate::{
    api,
    controller::CommandError,
    model::{Name, Revision},
    release::{Reason, Refusal},
    store::StoreError,
    text::cut,
};

/// What the command line exits with for the server's own trouble.
const UNEXPECTED: u8 = 1;

/// Of a message and its remedy so many bytes are sent. They travel in headers, of which clients take 16 KiB and end the
/// connection at more; what is not ASCII takes three times its length there.
const MAX_MESSAGE: usize = 4096;
const MAX_REMEDY: usize = 2048;

/// A command that was not carried out.
pub(super) fn failed(error: &CommandError) -> Status {
    if let CommandError::Refused(refusal) = error {
        return refused(refusal);
    }
    let message = with_sources(error);
    match error.reason() {
        Some(reason) => status(reason, message, error.remedy()),
        None => {
            // Clients send a command again that met a server which is going down.
            let (code, reason) = match error {
                CommandError::Stopping => (Code::Unavailable, "stopping"),
                _ => (Code::Internal, "unexpected"),
            };
            detailed(code, message, reason, error.remedy(), UNEXPECTED)
        }
    }
}

/// The same in one of several fleets, of which others have carried it out already: they have no common commit.
pub(super) fn failed_in(
    fleet: &Name,
    error: &CommandError,
    changed: &[(&Name, Revision)],
) -> Status {
    let failed = failed(error);
    let changed: Vec<String> = changed
        .iter()
        .map(|(fleet, revision)| format!("{fleet} (revision {revision})"))
        .collect();
    if changed.is_empty() {
        return failed;
    }
    let detail = api::ErrorDetail::decode(failed.details()).unwrap_or_default();
    let exit_code = u8::try_from(detail.exit_code).unwrap_or(UNEXPECTED);
    detailed(
        failed.code(),
        format!(
            "fleet {fleet}: {}; changed before it, and left so: {}",
            failed.message(),
            changed.join(", ")
        ),
        &detail.reason,
        format!(
            "in fleet {fleet}: {}. Then give the same command again: fleets that have it stay as they are",
            detail.remedy
        ),
        exit_code,
    )
}

/// A refusal.
pub(super) fn refused(refusal: &Refusal) -> Status {
    status(
        refusal.reason,
        refusal.message.clone(),
        refusal.remedy.clone(),
    )
}

/// The store could not be read.
pub(super) fn unreadable(error: StoreError) -> Status {
    failed(&CommandError::Store(error))
}

/// A request that can't be understood.
pub(super) fn bad_input(message: impl Into<String>, remedy: impl Into<String>) -> Status {
    status(Reason::BadInput, message.into(), remedy.into())
}

/// Something named does not exist.
pub(super) fn not_found(what: &str, name: &str) -> Status {
    status(
        Reason::NotFound,
        format!("there is no {what} {name:?}"),
        "see `bluegreen get` and `bluegreen fleet` for what there is".to_owned(),
    )
}

/// A fleet that only proxies have named: it is there, what was asked for is not, and another code tells the two apart.
pub(super) fn undeclared(fleet: &str, waiting: usize) -> Status {
    detailed(
        Code::FailedPrecondition,
        format!(
            "nothing was declared for fleet {fleet:?} yet: it has no revision, and {waiting} of its proxies wait for one"
        ),
        Reason::NotFound.name(),
        format!(
            "apply a document with `fleet: {fleet}`, or correct the fleet's name in the proxies' nodes"
        ),
        Reason::NotFound.exit_code(),
    )
}

/// A bug of this server.
pub(super) fn internal(message: String) -> Status {
    let remedy = "report this with the server's log".to_owned();
    detailed(Code::Internal, message, "unexpected", remedy, UNEXPECTED)
}

fn status(reason: Reason, message: String, remedy: String) -> Status {
    let code = match reason {
        Reason::BadInput => Code::InvalidArgument,
        Reason::NotFound => Code::NotFound,
        Reason::FleetMovedOn => Code::Aborted,
        Reason::NotAllowed => Code::Unauthenticated,
        Reason::StoreFull => Code::ResourceExhausted,
        Reason::StoreFailed => Code::Unavailable,
        _ => Code::FailedPrecondition,
    };
    detailed(code, message, reason.name(), remedy, reason.exit_code())
}

fn detailed(code: Code, message: String, reason: &str, remedy: String, exit_code: u8) -> Status {
    let detail = api::ErrorDetail {
        reason: reason.to_owned(),
        remedy: cut(remedy, MAX_REMEDY),
        exit_code: exit_code.into(),
    };
    let message = cut(message, MAX_MESSAGE);
    Status::with_details(code, message, detail.encode_to_vec().into())
}

/// The message, with the causes that it does not tell itself.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = cause.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_that_fails_after_others_says_what_became_of_them() {
        let fleet = |name: &str| Name::parse(name).unwrap();
        let (payments, risk) = (fleet("payments"), fleet("risk"));
        let refusal = Refusal::new(Reason::StoreFull, "the disk is full", "free some space");
        let error = CommandError::Refused(refusal);
        let told = |changed: &[_]| {
            let failed = failed_in(&risk, &error, changed);
            let detail = api::ErrorDetail::decode(failed.details()).unwrap();
            assert_eq!(failed.code(), Code::ResourceExhausted);
            assert_eq!(detail.reason, "store-full");
            (failed.message().to_owned(), detail.remedy)
        };
        let alone = ("the disk is full".to_owned(), "free some space".to_owned());
        assert_eq!(told(&[]), alone);
        let (message, remedy) = told(&[(&payments, Revision(4))]);
        assert_eq!(
            message,
            "fleet risk: the disk is full; changed before it, and left so: payments (revision 4)"
        );
        assert_eq!(
            remedy,
            "in fleet risk: free some space. Then give the same command again: fleets that have it stay as they are"
        );
    }
}
