//! The HTTP edge from outside: raw sockets against a running server, hostile
//! and clumsy peers first. Every connection must end by itself.

mod answers;
mod bodies;
mod connections;
mod heads;
mod http2;
mod server;
