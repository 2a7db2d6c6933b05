//! PURE. One xDS stream as a state machine: requests, snapshots and time in; responses and records out.
