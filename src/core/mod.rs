//! What the business allows. Synchronous; it reaches the world only through
//! what it is handed, and names no transport and no engine.

pub mod api_key;
pub mod birth_date;
pub mod country;
pub mod customer;
pub mod email;
pub mod endorsement;
pub mod external_id;
pub mod installation;
pub mod ip_address;
pub mod metadata;
pub mod name;
pub mod personal;
pub mod phone;
pub mod roster;
mod text;
pub mod token;
