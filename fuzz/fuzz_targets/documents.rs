//! See `inputs/documents.rs`.
#![no_main]

#[path = "../inputs/documents.rs"]
mod documents;

libfuzzer_sys::fuzz_target!(|data: &[u8]| documents::run(data));
