//! What goes on by itself: what is published, who is on the roster, what names stand for, and what ends at its time.

mod names;
mod publisher;
mod roster;
mod temporary;

pub(in crate::controller) use names::run as follow_names;
pub(in crate::controller) use publisher::run as publish;
pub(in crate::controller) use roster::run as keep_roster;
pub(in crate::controller) use temporary::run as end_temporaries;
