//! Data in from Redis and out to it: its files, and a running server as its replica.
//!
//! ```text
//! dump.rdb ──► rdb ──┐
//! AOF ───────► aof ──┼──► load ──► target ──► a node, by RESP
//! Redis ─────► live ─┘              compare: both sides, key by key
//! a node ────► export ──► dump.rdb
//! ```
//!
//! For: `quorate import` and `quorate export`. Leaves to others: the encodings of values (`quorate_commands::rdb`), the
//! command line, and what people are shown of it ([`Observer`]).
//!
//! Invariants:
//! - A client like any other: data gets into a cluster by its RESP port only, so every promise holds for it.
//! - Files and sources are streamed: what is held at once is bounded by the largest single string, and by
//!   [`rdb::WHOLE_BYTES_MAX`] for values of many elements.
//! - No bytes from a file or a server make this crate panic; damage is an error with its offset.
//!
//! Called by: one blocking thread of the command line.

pub mod aof;
mod compare;
mod connection;
mod error;
mod export;
pub mod files;
pub mod live;
pub mod load;
mod observer;
pub mod rdb;
mod target;

pub use compare::{Comparison, compare_file};
pub use connection::{Address, Connection};
pub use error::Error;
pub use export::{Exported, export};
pub use observer::{Event, Observer, Progress, Stage};
pub use target::{OnConflict, Target, TargetOptions};
