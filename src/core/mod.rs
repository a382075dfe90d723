//! What the business allows. Synchronous; it reaches the world only through
//! what it is handed, and names no transport and no engine.

pub mod api_key;
pub mod installation;
pub mod roster;
pub mod token;
