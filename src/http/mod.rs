//! How the platform is asked: wire types, and how they are read and answered.

//X pub mod customer_body;
//X pub mod fields;
//X pub mod json;
