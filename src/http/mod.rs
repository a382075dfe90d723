//! The edge: HTTP in, core commands, HTTP out.

pub mod app;
pub mod auth;
pub mod body;
mod connection;
pub mod customer_body;
pub mod customer_list;
mod customer_schema;
pub mod customers;
pub mod docs;
pub mod erasure;
pub mod error;
pub mod etag;
pub mod examples;
pub mod failures;
pub mod fields;
pub mod health;
pub mod idempotency;
pub mod json;
mod limits;
pub mod metrics;
pub mod openapi;
pub mod request_body;
pub mod request_id;
pub mod router;
pub mod server;
