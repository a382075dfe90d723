//! Who may call what: every operation of the `OpenAPI` document with every kind
//! of caller. An operation that the table does not know fails.

#[path = "../support/mod.rs"]
mod support;

mod callers;
mod operations;
