//! What the business allows: domain types that can only hold valid values, and
//! what may be done with them. Knows no HTTP, no runtime and no SQL.

pub mod address;
pub mod birth_date;
pub mod change;
pub mod country;
pub mod customer;
pub mod email;
pub mod endorsement;
pub mod external_id;
pub mod id_document;
pub mod ip_address;
pub mod metadata;
pub mod name;
pub mod personal;
pub mod phone;
mod stored;
mod text;
