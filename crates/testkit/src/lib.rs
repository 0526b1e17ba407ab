//! What tests need to run whole clusters: real processes on loopback, a plain client, waiting for conditions,
//! and a checker of what clients saw.
//!
//! Invariants: every process that a test starts ends with the test; every wait is for a condition and has
//! a bound; ports are free ones of loopback.

pub mod client;
pub mod linear;
pub mod process;
pub mod wait;

pub use client::Client;
pub use process::{COMES_UP, Cluster, Node};
pub use wait::until;
