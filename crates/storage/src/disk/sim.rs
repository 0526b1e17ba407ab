//! A folder in memory that loses what was not synced: for simulation and crash tests.

/// A simulated disk; the next commit fills it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {}
