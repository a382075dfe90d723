//! Keys are changed while the server runs: nobody notices, and the old ones end.
//!
//! `OMS_ROTATION_KEYS` makes the key register larger, to measure.

#[path = "../support/mod.rs"]
mod support;

mod folder;
mod master;
mod old_register;
mod service;
mod signing;
mod transit;
