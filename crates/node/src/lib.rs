//! Quorate embedded: a replicated Redis-compatible store inside a Rust program.
//!
//! A [`Node`] is one member of a cluster. It needs no socket for clients: sessions run in the process.

pub mod admin;
mod backend;
mod barrier;
mod batch;
mod brief;
mod client;
pub mod clock;
mod cluster;
mod desk;
mod divergence;
mod driver;
mod execution;
mod following;
mod formation;
mod formats;
mod gathering;
pub mod group;
mod leader;
mod ledger;
mod life;
mod machine;
mod messages;
mod node;
mod options;
mod origins;
mod peers;
mod pipeline;
mod reclaim;
mod rules;
mod service;
pub mod session;
mod transaction;
mod watch;

pub use client::{Client, ClientError, Watch};
pub use formats::FORMATS;
pub use node::{Error, LogFigures, Node, Phase};
pub use options::{Components, Membership, NodeOptions};
pub use pipeline::{Gauges, Limits};
pub use quorate_storage::LogEngineKind;
