//! See `inputs/resources.rs`.
#![no_main]

#[path = "../inputs/resources.rs"]
mod resources;

libfuzzer_sys::fuzz_target!(|data: &[u8]| resources::run(data));
