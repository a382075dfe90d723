//! What happens later, on its own: reading API keys again, sweeping old records.

mod keys;
mod sweep;

pub use keys::watch_keys;
pub use sweep::{sweep, sweep_forever};
