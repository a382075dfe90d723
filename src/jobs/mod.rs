//! What happens later, on its own: reading API keys and the watch list again,
//! sweeping old records.

mod keys;
mod sweep;
mod watch_list;

pub use keys::watch_keys;
pub use sweep::{sweep, sweep_forever};
pub use watch_list::watch_list;
