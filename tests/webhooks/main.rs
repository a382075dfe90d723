//! What leaves the server: the client for outgoing requests, and webhooks.

#[path = "../support/mod.rs"]
mod support;

mod api;
mod clock;
mod delivery;
mod diagnosis;
mod fairness;
mod faults;
mod lists;
mod loopback;
mod outbound;
mod receiver;
mod sealed;
mod sequence;
mod terminal;
