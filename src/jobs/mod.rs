//! What happens later, on its own: reading API keys and the watch list again,
//! screening everybody by a new one, sweeping old records.

mod audit;
mod keys;
mod rescreen;
mod sweep;
mod watch_list;

pub use audit::sign_audit_forever;
pub use keys::watch_keys;
pub use rescreen::rescreen_forever;
pub use sweep::{sweep, sweep_forever};
pub use watch_list::watch_list;
