//! The controller through its admin API, with proxies that exist in the ledger only: flows, repeats, races, rejections.

mod support;

#[path = "control/bad_input.rs"]
mod bad_input;
#[path = "control/calls.rs"]
mod calls;
#[path = "control/clocks.rs"]
mod clocks;
#[path = "control/counting.rs"]
mod counting;
#[path = "control/crowds.rs"]
mod crowds;
#[path = "control/declared_again.rs"]
mod declared_again;
#[path = "control/flows.rs"]
mod flows;
#[path = "control/going_back.rs"]
mod going_back;
#[path = "control/groups.rs"]
mod groups;
#[path = "control/moving.rs"]
mod moving;
#[path = "control/names.rs"]
mod names;
#[path = "control/preconditions.rs"]
mod preconditions;
#[path = "control/record.rs"]
mod record;
#[path = "control/rejections.rs"]
mod rejections;
#[path = "control/release_status.rs"]
mod release_status;
#[path = "control/releases.rs"]
mod releases;
#[path = "control/repeats.rs"]
mod repeats;
#[path = "control/restoring.rs"]
mod restoring;
#[path = "control/shifting.rs"]
mod shifting;
#[path = "control/silence.rs"]
mod silence;
#[path = "control/tolerance.rs"]
mod tolerance;
#[path = "control/waiting.rs"]
mod waiting;
#[path = "control/way.rs"]
mod way;
