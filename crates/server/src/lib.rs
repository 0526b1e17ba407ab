//! Quorate's sockets: the RESP listener, the Sentinel façade, the admin HTTP API, and the composition of a serving node.

pub mod admin;
mod metrics;
mod node_admin;
mod options;
pub mod resp;
mod secret;
mod sentinel;
mod serve;

pub use options::{Bound, DebugAccess, HostPort, LogEngine, OptionsError, ReadMode, Roles, ServeOptions};
pub use secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret};
pub use serve::{Hooks, ProcessMemory, ServeError, serve};
