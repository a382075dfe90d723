//! Import and export of many customers: each exactly once, whatever is killed.

#[path = "../support/mod.rs"]
mod support;

mod export;
mod import;
