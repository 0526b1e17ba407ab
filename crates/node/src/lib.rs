//! Quorate embedded: a replicated Redis-compatible store inside a Rust program.

pub mod admin;
pub mod group;
pub mod session;
