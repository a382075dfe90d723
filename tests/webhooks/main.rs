//! What leaves the server: the client for outgoing requests, and webhooks.

#[path = "../support/mod.rs"]
mod support;

mod api;
mod delivery;
mod outbound;
mod receiver;
mod terminal;
