//! The locks and atomics of what `tests/interleavings` runs in every order: there, a module of
//! the same name gives `loom`'s instead.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, atomic};
