//! What the server does when too much is asked of it, and what it tells of
//! itself: rate limits, shedding, numbers, log and traces.

#[path = "../support/mod.rs"]
mod support;

mod collector;
mod crowds;
mod heads;
mod hung_log;
mod log;
mod numbers;
mod rates;
#[path = "../webhooks/receiver.rs"]
mod receiver;
mod shedding;
mod slow_readers;
mod traces;
