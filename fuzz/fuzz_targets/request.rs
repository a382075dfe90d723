//! Runs `request` of `src/fuzzing.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oms::fuzzing::run("request", data));
