//! The disk: what it loses, refuses, tears and runs out of.
//!
//! `OMS_POWER_STATES` makes the power-loss test longer, `OMS_POWER_SEED` repeats one.

#[path = "../support/mod.rs"]
mod support;

mod damage;
mod failing;
mod faults;
mod full;
mod medium;
mod outage;
mod power;
mod recording;
mod trace;
