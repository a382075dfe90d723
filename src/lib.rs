//! An open, self-hosted money platform, wire-compatible with the Open Money Stack API.
//!
//! The modules in reading order: what everything stands on, what the business
//! allows, where it is kept, how it is asked for.

pub mod clock;
pub mod config;
pub mod context;
pub mod error;
mod failpoint;
pub mod id;
pub mod metrics;
mod output;

pub mod core;
pub mod store;
mod sync;
pub mod vault;

pub mod http;
pub mod jobs;
pub mod outbound;

pub mod cli;
mod descriptors;
pub mod server;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
