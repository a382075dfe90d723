//! Runs `postgres` of `src/fuzzing.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oms::fuzzing::run("postgres", data));
