//! The command line: one file per verb; a client of the admin API like any other.
