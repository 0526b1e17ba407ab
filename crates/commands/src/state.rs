//! The replicated state that commands see.
//!
//! For: holding keyspace, settings and clock together, and their snapshot format.
//! Leaves to others: origins, waiters and membership (the node's part of the replicated state).
//! Invariants: everything here is a function of the log; [`State::digest`] of two nodes agrees at the same index.

use quorate_keyspace::{Keyspace, Millis, Seed};

use crate::Settings;

/// Keyspace, settings and clock.
#[derive(Debug)]
pub struct State {
    /// The sixteen databases.
    pub keyspace: Keyspace,
    /// Cluster settings.
    pub settings: Settings,
    /// Agreed time of the last batch.
    pub clock: Millis,
}

impl State {
    /// An empty state.
    pub fn new(seed: Seed) -> State {
        State { keyspace: Keyspace::new(seed), settings: Settings::default(), clock: Millis(0) }
    }
}
