//! The HTTP edge from outside: raw sockets against a running server, hostile
//! and clumsy peers first. Every connection must end by itself.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod answers;
mod bodies;
mod connections;
mod heads;
mod http2;
mod server;
