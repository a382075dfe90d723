//! What leaves the server: the client for outgoing requests, and webhooks.

#[path = "../support/mod.rs"]
mod support;

mod outbound;
mod receiver;
