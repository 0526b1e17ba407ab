//! The seam between the admin HTTP API and the node behind it.
//!
//! The API knows HTTP, JSON and tokens; the node knows the cluster. Everything between them is a value
//! of [`quorate::admin`]. Tests put a fake behind this trait.
//!
//! Invariant: every method returns within the API's time limit or is dropped by it, so a future of this
//! trait must be safe to drop at any await; dropping one never undoes a change under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use quorate::admin::{Call, ClusterStatus, Done, NodeReport, Refusal};

/// A node, as its administrators see it.
pub trait AdminBackend: Send + Sync + 'static {
    /// The cluster as this node sees it, with what it could ask of the others in a bounded time.
    fn status(&self) -> BoxFuture<'_, ClusterStatus>;

    /// Carries out one call, here or on the leader.
    ///
    /// # Errors
    /// A refusal says that nothing changed, except [`Timeout`](quorate::admin::RefusalKind::Timeout),
    /// after which the status tells.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Done, Refusal>>;

    /// What this node tells of itself; no other node is asked.
    fn report(&self) -> BoxFuture<'_, NodeReport>;

    /// The metrics of this node in the Prometheus text format.
    fn metrics_text(&self) -> String;

    /// Whether the process works at all; `false` asks the supervisor for a restart. Must not depend on
    /// other nodes, or a partition would restart healthy ones.
    fn live(&self) -> bool;

    /// Whether clients are served.
    ///
    /// # Errors
    /// Why not, in one line for a person.
    fn ready(&self) -> Result<(), String>;

    /// The replicated settings by name, as `CONFIG GET *` shows them; secrets are masked.
    fn settings(&self) -> BoxFuture<'_, BTreeMap<String, String>>;

    /// Changes replicated settings, all or none.
    ///
    /// # Errors
    /// [`Invalid`](quorate::admin::RefusalKind::Invalid) for an unknown name or a wrong value, and as
    /// for [`Self::call`].
    fn set_settings(&self, changes: BTreeMap<String, String>) -> BoxFuture<'_, Result<Done, Refusal>>;
}

/// The backend as the router shares it.
pub type SharedBackend = Arc<dyn AdminBackend>;
