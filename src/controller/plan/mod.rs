//! What a command makes of a fleet's state, and what resources follow from that: decided here, carried out elsewhere.

mod build;
mod checks;
mod documents;
mod draft;
mod ended_by;
mod first_reports;
mod in_use;
mod input;
mod prepared;
mod restore;
mod steps;
mod target;
mod together;

pub(in crate::controller) use build::Builder;
pub use documents::{drift, in_force};
pub(in crate::controller) use draft::{Draft, Ground, find};
pub(in crate::controller) use first_reports::FirstReports;
pub(in crate::controller) use in_use::{open_on, unheard};
pub(in crate::controller) use prepared::Prepared;
pub(in crate::controller) use steps::draft;
pub(in crate::controller) use target::{
    Target, endpoints_of, lagging, still_so, target, target_in,
};
