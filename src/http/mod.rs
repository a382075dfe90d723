//! How the platform is asked for: the wire, and nothing of the business.

pub mod body;
mod connection;
pub mod error;
mod limits;
pub mod request_id;
pub mod server;
