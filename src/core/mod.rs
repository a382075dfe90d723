//! What the business allows: domain types that can only hold valid values, and
//! what may be done with them. Synchronous; it reaches the world only through
//! what it is handed, and names no transport and no engine.

pub mod address;
pub mod api_key;
pub mod audit;
pub mod birth_date;
pub mod change;
pub mod checks;
pub mod checkup;
pub mod country;
pub mod customer;
pub mod decision;
pub mod delivery;
pub mod desk;
pub mod email;
pub mod endorsement;
pub mod erasure;
pub mod evaluation;
pub mod event;
pub mod external_id;
pub mod geo;
pub mod id_document;
pub mod installation;
pub mod ip_address;
pub mod metadata;
pub mod name;
pub mod occurrence;
pub mod personal;
pub mod phone;
pub mod policy;
pub mod project;
pub mod provider;
pub mod reach;
pub mod references;
pub mod rescreening;
pub mod review;
pub mod roster;
pub mod rotation;
pub mod screening;
pub mod signing;
mod stored;
pub mod subscription;
mod text;
pub mod token;
pub mod verification;
pub mod watchlist;
pub mod webhook;
