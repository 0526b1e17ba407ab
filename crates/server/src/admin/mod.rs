//! The admin HTTP API: the only place that knows axum.

mod backend;

pub use backend::{AdminBackend, SharedBackend};
