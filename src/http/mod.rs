//! How the platform is asked: wire types, and how they are read and answered.

pub mod customer_body;
mod customer_schema;
pub mod fields;
pub mod json;
