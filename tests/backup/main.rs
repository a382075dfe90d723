//! Copies of a running store, stores made of copies, and what the doctor finds.

#[path = "../support/mod.rs"]
mod support;

mod copies;
mod doctor;
