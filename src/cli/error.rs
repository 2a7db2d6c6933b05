//! Why a verb failed: one line for a person, a hint what to do next, and an exit code.

use std::{io, path::PathBuf};

use prost::Message;
use tonic::{Code, Status};

use crate::api;

/// Exit codes that the client decides itself; the others come from the server.
mod exit {
    pub const UNEXPECTED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NOT_FOUND: u8 = 3;
    pub const UNREACHABLE: u8 = 5;
    pub const NOT_ALLOWED: u8 = 9;
    /// 128 + SIGINT, as shells report it.
    pub const INTERRUPTED: u8 = 130;
}

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{url} is no address of a server: {why}")]
    Url { url: String, why: String },
    #[error("the server at {url} can't be reached: {}", innermost(source))]
    Unreachable {
        url: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error("{url} does not answer as an admin API does: {message}")]
    NoAnswer { url: String, message: String },
    #[error("{url} does not have the admin API of this command line")]
    NotAdmin { url: String },
    #[error(
        "the connection to {url} was lost {times} times and {}: {message}",
        if operation_id.is_some() { "the command's outcome is not known" } else { "nothing was changed" }
    )]
    Lost {
        url: String,
        times: u32,
        message: String,
        /// None: only a plan was asked for.
        operation_id: Option<String>,
    },
    /// The server's own answer.
    #[error("{message}")]
    Refused {
        message: String,
        reason: String,
        remedy: String,
        exit_code: u8,
    },
    #[error("{path}: {source}")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{}: no *.yaml, *.yml or *.json in this directory", path.display())]
    NothingIn { path: PathBuf },
    #[error("{0}")]
    Usage(String),
    #[error("{what}: not done, since there is no terminal to ask on")]
    Unconfirmed { what: String },
    #[error("not done: the answer was no")]
    Declined,
    #[error("interrupted")]
    Interrupted { operation_id: Option<String> },
    #[error("can't start: {0}")]
    Runtime(#[source] io::Error),
    #[error("{0}")]
    NotFound(String),
    #[error("the server's answer can't be read: {what}: {message}")]
    Answer { what: String, message: String },
    #[error("can't print: {0}")]
    Output(#[source] io::Error),
    #[error("can't make {format} of the answer: {message}")]
    Encode {
        format: &'static str,
        message: String,
    },
}

impl Error {
    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Unreachable { .. } | Error::NoAnswer { .. } | Error::Lost { .. } => {
                exit::UNREACHABLE
            }
            Error::Refused { exit_code, .. } => *exit_code,
            Error::Url { .. }
            | Error::Read { .. }
            | Error::NothingIn { .. }
            | Error::Usage(_)
            | Error::Unconfirmed { .. } => exit::USAGE,

            Error::NotFound(_) => exit::NOT_FOUND,
            Error::Interrupted { .. } => exit::INTERRUPTED,
            // `bluegreen … | head` is no failure.
            Error::Output(source) if source.kind() == io::ErrorKind::BrokenPipe => 0,
            Error::NotAdmin { .. }
            | Error::Answer { .. }
            | Error::Declined
            | Error::Runtime(_)
            | Error::Output(_)
            | Error::Encode { .. } => exit::UNEXPECTED,
        }
    }

    /// What the operator can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Url { .. } => Some("write http://HOST:PORT, e.g. --server http://127.0.0.1:18001".into()),
            Error::Unreachable { .. } | Error::NoAnswer { .. } => Some(
                "is it running (`bluegreen serve`)? Another address is given by --server or BLUEGREEN_SERVER".into(),
            ),
            Error::NotAdmin { .. } => Some(
                "give the address that the server has for --admin, not that for --xds or --http; or the server is older than this command line".into(),
            ),
            Error::Lost { operation_id: Some(id), .. } => Some(format!(
                "repeat the same command with --operation-id {id}: what was done already is not done again"
            )),
            Error::Lost { operation_id: None, .. } => {
                Some("give the same command again when the server answers: `bluegreen status`".into())
            }
            Error::Refused { remedy, .. } => Some(remedy.clone()).filter(|remedy| !remedy.is_empty()),
            Error::Unconfirmed { .. } => Some("--yes does it without asking; --dry-run shows what would change".into()),
            Error::Interrupted { operation_id: Some(id) } => Some(format!(
                "only the watching has ended, the command goes on in the server; see `bluegreen status`, \
                 or repeat the command with --operation-id {id} to watch again"
            )),
            _ => None,
        }
    }

    /// True when what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.exit_code() == exit::NOT_FOUND
    }

    /// The stable name of a refusal.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Error::Refused { reason, .. } if !reason.is_empty() => Some(reason),
            _ => None,
        }
    }

    /// What an RPC's status means. `url` is the server that was asked.
    pub fn from_status(status: &Status, url: &str) -> Error {
        if let Some(detail) = detail(status) {
            return Error::Refused {
                message: status.message().to_owned(),
                reason: detail.reason,
                remedy: detail.remedy,
                exit_code: match u8::try_from(detail.exit_code) {
                    Ok(0) | Err(_) => exit::UNEXPECTED,
                    Ok(code) => code,
                },
            };
        }
        if lost(status) {
            return Error::NoAnswer {
                url: url.to_owned(),
                message: transport_message(status),
            };
        }
        if status.code() == Code::Unimplemented {
            return Error::NotAdmin {
                url: url.to_owned(),
            };
        }
        let (exit_code, remedy) = match status.code() {
            Code::NotFound => (exit::NOT_FOUND, ""),
            Code::InvalidArgument | Code::OutOfRange => (exit::USAGE, ""),
            Code::Unauthenticated | Code::PermissionDenied => (
                exit::NOT_ALLOWED,
                "give the server's token in BLUEGREEN_TOKEN or by --token-file FILE",
            ),
            _ => (exit::UNEXPECTED, ""),
        };
        Error::Refused {
            message: status.message().to_owned(),
            reason: String::new(),
            remedy: remedy.to_owned(),
            exit_code,
        }
    }
}

/// The server's own words about a refusal.
fn detail(status: &Status) -> Option<api::ErrorDetail> {
    if status.details().is_empty() {
        return None;
    }
    api::ErrorDetail::decode(status.details()).ok()
}

/// The server's name for going down, which a repeat outlives.
const STOPPING: &str = "stopping";

/// True for a status that the transport made, not the server: nobody knows what became of the call. Or that a server
/// made which is going down.
pub(super) fn lost(status: &Status) -> bool {
    if let Some(detail) = detail(status) {
        return detail.reason == STOPPING;
    }
    match status.code() {
        Code::Unavailable | Code::Cancelled => true,
        Code::Unknown | Code::Internal => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

/// The end of the chain of causes: "connection refused" says more than "transport error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

pub(super) fn transport_message(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => innermost(source),
        None => status.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detailed(code: Code, reason: &str) -> Status {
        let detail = api::ErrorDetail {
            reason: reason.into(),
            remedy: "look at the disk".into(),
            exit_code: 38,
        };
        Status::with_details(code, "no", detail.encode_to_vec().into())
    }

    #[test]
    fn what_the_server_answered_is_not_lost() {
        assert!(lost(&Status::unavailable("connection reset")));
        assert!(lost(&Status::cancelled("stream reset")));
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(lost(&Status::from_error(Box::new(broken))));
        // The server's own words, whatever their code.
        assert!(!lost(&detailed(Code::Unavailable, "store-failed")));
        // A server that goes down comes back.
        assert!(lost(&detailed(Code::Unavailable, STOPPING)));
        assert!(!lost(&Status::internal("a bug")));
        assert!(!lost(&Status::failed_precondition("no")));
    }

    #[test]
    fn an_exit_code_is_never_0_for_a_failure() {
        for code in (0..17).map(Code::from_i32).filter(|code| *code != Code::Ok) {
            let error = Error::from_status(&Status::new(code, "no"), "http://here");
            assert_ne!(error.exit_code(), 0, "{code:?}");
        }
        let error = Error::from_status(&detailed(Code::Internal, "store-failed"), "http://here");
        assert_eq!(error.exit_code(), 38);
        assert_eq!(error.reason(), Some("store-failed"));
        assert_eq!(error.hint().as_deref(), Some("look at the disk"));
    }

    #[test]
    fn a_lost_command_can_be_repeated_by_what_the_hint_says() {
        let lost = |operation_id: Option<&str>| Error::Lost {
            url: "http://here".into(),
            times: 13,
            message: "connection reset".into(),
            operation_id: operation_id.map(str::to_owned),
        };
        let command = lost(Some("op-1"));
        assert_eq!(command.exit_code(), 5);
        assert!(command.to_string().contains("outcome is not known"));
        let hint = command.hint().unwrap();
        assert!(hint.contains("--operation-id op-1"), "{hint}");
        let plan = lost(None);
        assert_eq!(plan.exit_code(), 5);
        assert!(plan.to_string().contains("nothing was changed"));
        let hint = plan.hint().unwrap();
        assert!(!hint.contains("--operation-id"), "{hint}");
    }
}
