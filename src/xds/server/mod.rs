//! The I/O around the sessions: tonic services for ADS, LRS; one task per stream.

mod directory;

pub use directory::{Directory, FleetFeed, UnknownFleet};
