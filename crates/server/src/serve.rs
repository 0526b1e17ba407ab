//! One serving node from options to a planned stop: the composition of node, RESP listener and admin API.
//!
//! Invariant: whatever ends [`serve`], its ports are closed and its data directory is unlocked when it
//! returns.
//!
//! Called once by the process's main task.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{Bound, OptionsError, ServeOptions};

/// Why a node did not start, or stopped unasked. One variant for each reaction of the operator; the cause
/// is the source, so that who prints the whole chain says nothing twice.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The options contradict each other or lack something: change them.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A file with a secret or token cannot be used: mend the file.
    #[error("{name}: {detail}")]
    SecretFile {
        /// The setting.
        name: &'static str,
        /// What is wrong, without the file's contents.
        detail: String,
    },
    /// A port cannot be bound: free it or choose another.
    #[error("{name}: cannot listen on {address}")]
    Bind {
        /// The setting.
        name: &'static str,
        /// The address as given.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory is locked, unreadable, or of another cluster or format: look at it.
    #[error("data-dir: cannot be used")]
    DataDirectory(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node stopped because going on could break a promise: see the log.
    #[error("the node stopped")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the surrounding program gives a node besides values.
#[derive(Clone)]
pub struct Hooks {
    /// The allocator's figures, for `INFO memory` and metrics; `None` if the allocator has none.
    pub memory: Arc<dyn Fn() -> Option<ProcessMemory> + Send + Sync>,
    /// Called once, when all ports are bound.
    pub bound: Arc<dyn Fn(Bound) + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { memory: Arc::new(|| None), bound: Arc::new(|_| ()) }
    }
}

/// What the allocator says of the whole process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    /// In live allocations.
    pub allocated_bytes: u64,
    /// In pages that hold at least one allocation.
    pub active_bytes: u64,
    /// In physical memory, as far as the allocator knows.
    pub resident_bytes: u64,
}

/// Runs a node until `shutdown` is cancelled, it is told to stop over the network, or it fails.
///
/// # Errors
/// See [`ServeError`]; a planned stop is no error.
pub async fn serve(
    options: ServeOptions,
    hooks: Hooks,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    options.check()?;
    let _ = (hooks, shutdown);
    Err(ServeError::Fault("this build has no node".into()))
}
