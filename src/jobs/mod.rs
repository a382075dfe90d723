//! What happens later, on its own: reading API keys and the watch list again,
//! screening everybody by a new one, sweeping old records, asking the verification provider,
//! telling webhooks, telling other servers.

mod audit;
mod keys;
mod limits;
mod rehash;
mod rescreen;
mod servers;
mod sweep;
mod used_keys;
mod verification;
mod watch_list;
mod webhooks;

pub use audit::sign_audit_forever;
pub use keys::watch_keys;
pub use limits::share_limits;
pub use rehash::rehash_forever;
pub use rescreen::rescreen_forever;
pub use servers::Servers;
pub use sweep::{sweep, sweep_forever, sweep_verifications};
pub use used_keys::read_used_keys;
pub use verification::ask_provider;
pub use watch_list::watch_list;
pub use webhooks::deliver_webhooks;
