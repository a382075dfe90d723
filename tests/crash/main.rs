//! Whatever is killed, whenever, a retry creates exactly one customer.
//!
//! `OMS_CRASH_ROUNDS` makes the kill test longer, `OMS_CRASH_SEED` repeats one.

#[path = "../support/mod.rs"]
mod support;

mod dumps;
mod kill;
mod race;
mod stop;
