//! Releases on the command line: begin one, watch it, tell it what to do, and read about it later.

mod approve;
mod begin;
mod exit;
mod extend;
mod releases;
mod steer;
mod text;
mod track;
mod verbs;
mod view;

pub use approve::{ApproveArgs, RejectArgs};
pub use begin::Args as ReleaseArgs;
pub use extend::Args as ExtendArgs;
pub use releases::Args as ReleasesArgs;
pub use track::Until;
pub use verbs::{AbortArgs, PauseArgs, ResumeArgs, RetryArgs, ValidateArgs};

pub(super) use approve::{approve, reject};
pub(super) use begin::{run as release, watched};
pub(super) use extend::run as extend;
pub(super) use releases::run as releases;
pub(super) use text::status_lines;
pub(super) use verbs::{abort, pause, resume, retry, validate};
pub(super) use view::ReleaseView;
