//! What happens later, on its own: reading API keys and the watch list again,
//! sweeping old records, telling webhooks.

mod audit;
mod keys;
mod sweep;
mod watch_list;
mod webhooks;

pub use audit::sign_audit_forever;
pub use keys::watch_keys;
pub use sweep::{sweep, sweep_forever};
pub use watch_list::watch_list;
pub use webhooks::deliver_webhooks;
