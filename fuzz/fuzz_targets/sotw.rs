//! See `inputs/session.rs`.
#![no_main]

#[path = "../inputs/session.rs"]
mod session;

use bluegreen::xds::session::Mode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| session::run(Mode::Sotw, data));
