//! Identities verified by a provider: the reference provider of `examples/` as a process of
//! its own, and results that the tests sign themselves.

#[path = "../support/mod.rs"]
mod support;

mod clock;
mod documented;
mod faults;
mod people;
mod process;
mod results;
mod signatures;
