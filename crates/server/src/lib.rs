//! Quorate's sockets: the RESP listener, the admin HTTP API, and the composition of a serving node.

pub mod admin;
mod options;
mod serve;

pub use options::{Bound, HostPort, LogEngine, OptionsError, ReadMode, ServeOptions};
pub use serve::{Hooks, ProcessMemory, ServeError, serve};
