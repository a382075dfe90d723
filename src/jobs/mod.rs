//! What happens later, on its own: reading API keys again, sweeping old records.

mod audit;
mod keys;
mod sweep;

pub use audit::sign_audit_forever;
pub use keys::watch_keys;
pub use sweep::{sweep, sweep_forever};
