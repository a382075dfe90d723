//! Sanctions lists and the checks from outside: the command line as a real
//! process on files as they are published, sound and damaged.

#[path = "../support/mod.rs"]
mod support;

mod geo;
mod watchlist;
