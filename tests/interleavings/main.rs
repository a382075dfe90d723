//! What threads share, in every order of their steps: the modules of the server are compiled
//! once more, with the locks and atomics of `loom` in the place of `std`'s, and each model is
//! run for every interleaving that can make a difference, the larger ones for those of few switches.

#![expect(dead_code, reason = "a model does not use all of a module")]

mod error {
    pub use oms::error::*;
}

mod store {
    pub mod idempotency {
        pub use oms::store::idempotency::Claim;
    }
}

mod sync {
    pub use loom::sync::atomic;
    pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
}

#[path = "../../src/store/gauge.rs"]
mod gauge;
#[path = "../../src/http/in_flight.rs"]
mod in_flight;
#[path = "../../src/store/turns.rs"]
mod turns;

/// Switches between threads in one run of the larger models, beside those that a wait brings: loom's authors found
/// nearly every fault with two or three, and all of them would take hours here.
const SWITCHES: usize = 2;

mod keys;
mod pressure;
mod reads;
