//! The contract, sections 1 to 5, as a client meets it: one module per noun.

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod auth_limit;
mod auth_token;
mod base;
mod customers_create;
mod customers_delete;
mod customers_list;
mod customers_page;
mod customers_patch;
mod customers_read;
mod documents;
mod endorsements;
mod errors;
mod errors_fields;
mod first_start;
mod idempotency;
mod idempotency_cost;
mod idempotency_reuse;
mod isolation;
mod keys;
mod overload;
mod privacy;
mod requirements;
mod right_values;
mod sandbox;
mod validation;
mod validation_address;
mod validation_documents;
mod validation_fields;
mod validation_metadata;
